import { type QueryKey, useMutation, useQueryClient } from "@tanstack/react-query";
import { toast } from "sonner";
import { failureOf } from "@/api/failure";

interface ActionOptions<Input, Output> {
  run: (input: Input) => Promise<Output>;
  /** What the toast says when it worked; nothing when the page itself shows it. */
  done?: (output: Output, input: Input) => string;
  /** Read again afterwards. */
  touches: readonly QueryKey[];
  onDone?: (output: Output, input: Input) => void;
  /** Returns true when the page shows the error itself. */
  onFailed?: (error: Error) => boolean;
}

/** Something the user asked for: busy while it runs, a toast when it worked or not, lists read again. */
export function useAction<Input, Output>(options: ActionOptions<Input, Output>) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: options.run,
    onSuccess: (output, input) => {
      if (options.done) toast.success(options.done(output, input));
      options.onDone?.(output, input);
    },
    onError: (error) => {
      if (options.onFailed?.(error)) return;
      const failure = failureOf(error);
      const reference = [failure.code, failure.requestId].filter(Boolean).join(" · ");
      toast.error(failure.title, {
        description:
          failure.detail === failure.title ? reference : `${failure.detail} (${reference})`,
      });
    },
    onSettled: () => {
      for (const queryKey of options.touches) void client.invalidateQueries({ queryKey });
    },
  });
}
