import { RotateCw, X } from "lucide-react";
import { useState } from "react";
import { cancelTask, retryTask, taskKeys } from "@/api/queries/tasks";
import type { Task } from "@/api/types";
import { Button } from "@/components/ui/button";
import { Confirm } from "@/components/ui/confirm";
import { useMay } from "@/features/session/permissions";
import { useAction } from "@/features/shared/use-action";

export const cancellable = (task: Pick<Task, "status">) =>
  ["PENDING", "SCHEDULED", "BLOCKED", "RUNNING"].includes(task.status);
export const retriable = (task: Pick<Task, "status">) =>
  ["FAILED", "TIMEOUT", "CANCELLED"].includes(task.status);

export function TaskActions({ task }: { task: Task }) {
  const may = useMay("tasks");
  const [asking, setAsking] = useState(false);
  const cancel = useAction({
    run: cancelTask,
    done: () => (task.status === "RUNNING" ? "Asked the worker to stop" : "Task cancelled"),
    touches: [taskKeys.all],
  });
  const retry = useAction({
    run: retryTask,
    done: () => "Task is waiting again",
    touches: [taskKeys.all],
  });
  if (!may) return null;
  return (
    <>
      {retriable(task) && (
        <Button variant="primary" busy={retry.isPending} onClick={() => retry.mutate(task.task_id)}>
          <RotateCw aria-hidden size={14} />
          Retry
        </Button>
      )}
      {cancellable(task) && (
        <Button
          variant="danger"
          busy={cancel.isPending}
          disabled={task.cancel_requested_at !== null}
          onClick={() => setAsking(true)}
        >
          <X aria-hidden size={14} />
          {task.cancel_requested_at ? "Cancelling" : "Cancel"}
        </Button>
      )}
      <Confirm
        open={asking}
        onClose={() => setAsking(false)}
        onConfirm={() => cancel.mutate(task.task_id)}
        title={`Cancel ${task.task_name}?`}
        action="Cancel task"
        dismiss="Keep it"
        danger
      >
        {task.status === "RUNNING"
          ? "It is running. Its worker is told to stop; what it has done so far stays done."
          : "It has not started and will not. You can retry it later."}
      </Confirm>
    </>
  );
}
