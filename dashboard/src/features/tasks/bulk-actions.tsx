import { RotateCw, X } from "lucide-react";
import { useState } from "react";
import { cancelTask, retryTask, taskKeys } from "@/api/queries/tasks";
import type { Task } from "@/api/types";
import { Button } from "@/components/ui/button";
import { Confirm } from "@/components/ui/confirm";
import { useAction } from "@/features/shared/use-action";
import { plural } from "@/lib/format";
import { cancellable, retriable } from "./task-actions";

interface BulkActionsProps {
  selected: Task[];
  onDone: () => void;
}

/** One after the other: the API admits a hundred requests a minute, and the first refusal ends it. */
async function each(tasks: Task[], act: (taskId: string) => Promise<Task>): Promise<number> {
  for (const task of tasks) await act(task.task_id);
  return tasks.length;
}

/** For the selected tasks. */
export function BulkActions({ selected, onDone }: BulkActionsProps) {
  const [asking, setAsking] = useState(false);
  const forCancel = selected.filter(cancellable);
  const forRetry = selected.filter(retriable);
  const cancel = useAction({
    run: () => each(forCancel, cancelTask),
    done: (n) => `${plural(n, "task")} cancelled`,
    touches: [taskKeys.all],
    onDone,
  });
  const retry = useAction({
    run: () => each(forRetry, retryTask),
    done: (n) => `${plural(n, "task")} waiting again`,
    touches: [taskKeys.all],
    onDone,
  });
  return (
    <>
      <Button
        size="sm"
        disabled={forRetry.length === 0}
        busy={retry.isPending}
        onClick={() => retry.mutate()}
      >
        <RotateCw aria-hidden size={13} />
        Retry {forRetry.length > 0 && forRetry.length}
      </Button>
      <Button
        size="sm"
        variant="danger"
        disabled={forCancel.length === 0}
        busy={cancel.isPending}
        onClick={() => setAsking(true)}
      >
        <X aria-hidden size={13} />
        Cancel {forCancel.length > 0 && forCancel.length}
      </Button>
      <Confirm
        open={asking}
        onClose={() => setAsking(false)}
        onConfirm={() => cancel.mutate()}
        title={`Cancel ${plural(forCancel.length, "task")}?`}
        action={`Cancel ${plural(forCancel.length, "task")}`}
        dismiss="Keep them"
        danger
      >
        Those that run are told to stop; those that wait will not start. Each can be retried later.
      </Confirm>
    </>
  );
}
