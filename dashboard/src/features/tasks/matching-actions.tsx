import { RotateCw, X } from "lucide-react";
import { useState } from "react";
import { cancelTasks, retryTasks, type TaskFilter, taskKeys } from "@/api/queries/tasks";
import { Button } from "@/components/ui/button";
import { Confirm } from "@/components/ui/confirm";
import { useAction } from "@/features/shared/use-action";
import { plural } from "@/lib/format";
import { cancellable, retriable } from "./task-actions";

interface MatchingActionsProps {
  filter: TaskFilter;
  /** "more than 100 tasks": how many the list knows of. */
  shown: string;
  onDone: () => void;
}

/** For all that match the filter, also those that the list has not loaded. */
export function MatchingActions({ filter, shown, onDone }: MatchingActionsProps) {
  const [asking, setAsking] = useState<"cancel" | "retry" | null>(null);
  const cancel = useAction({
    run: () => cancelTasks(filter),
    done: ({ cancelled }) => `${plural(cancelled, "task")} cancelled`,
    touches: [taskKeys.all],
    onDone,
  });
  const retry = useAction({
    run: () => retryTasks(filter),
    done: ({ retried }) => `${plural(retried, "task")} waiting again`,
    touches: [taskKeys.all],
    onDone,
  });
  const some = (fits: typeof cancellable) =>
    filter.status?.some((status) => fits({ status })) ?? true;
  const close = () => setAsking(null);
  return (
    <>
      <Button
        size="sm"
        disabled={!some(retriable)}
        busy={retry.isPending}
        onClick={() => setAsking("retry")}
      >
        <RotateCw aria-hidden size={13} />
        Retry all
      </Button>
      <Button
        size="sm"
        variant="danger"
        disabled={!some(cancellable)}
        busy={cancel.isPending}
        onClick={() => setAsking("cancel")}
      >
        <X aria-hidden size={13} />
        Cancel all
      </Button>
      <Confirm
        open={asking === "retry"}
        onClose={close}
        onConfirm={() => retry.mutate()}
        title={`Retry all that match (${shown})?`}
        action="Retry all"
      >
        Those that failed, timed out or were cancelled start over with all their attempts. The
        others are left alone.
      </Confirm>
      <Confirm
        open={asking === "cancel"}
        onClose={close}
        onConfirm={() => cancel.mutate()}
        title={`Cancel all that match (${shown})?`}
        action="Cancel all"
        dismiss="Keep them"
        danger
      >
        Those that run are told to stop; those that wait will not start. A mail among them is not
        sent. Those that have ended are left alone.
      </Confirm>
    </>
  );
}
