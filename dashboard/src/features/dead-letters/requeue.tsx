import { RotateCw } from "lucide-react";
import { useState } from "react";
import { deadLetterKeys, requeueDeadLetters } from "@/api/queries/dead-letters";
import { taskKeys } from "@/api/queries/tasks";
import { Button } from "@/components/ui/button";
import { Confirm } from "@/components/ui/confirm";
import { useAction } from "@/features/shared/use-action";
import { plural } from "@/lib/format";

interface RequeueProps {
  /** Either these, or all that match the filter. */
  which: { dlq_ids: string[] } | { task_name?: string };
  label: string;
  question: string;
  /** One needs no question: it is easily cancelled. */
  ask?: boolean;
  primary?: boolean;
  small?: boolean;
  disabled?: boolean;
  onDone?: () => void;
}

export function Requeue(props: RequeueProps) {
  const { which, label, question, ask = true, primary, small, disabled, onDone } = props;
  const [asking, setAsking] = useState(false);
  const requeue = useAction({
    run: () => requeueDeadLetters(which),
    done: ({ requeued }) => `${plural(requeued, "task")} waiting again`,
    touches: [deadLetterKeys.all, taskKeys.all],
    onDone,
  });
  return (
    <>
      <Button
        variant={primary ? "primary" : "secondary"}
        size={small ? "sm" : "md"}
        busy={requeue.isPending}
        disabled={disabled}
        onClick={() => (ask ? setAsking(true) : requeue.mutate())}
      >
        <RotateCw aria-hidden size={14} />
        {label}
      </Button>
      <Confirm
        open={asking}
        onClose={() => setAsking(false)}
        onConfirm={() => requeue.mutate()}
        title={question}
        action="Requeue"
      >
        They go back to their queues with all their attempts. Requeue when the cause is mended, or
        they end here again.
      </Confirm>
    </>
  );
}
