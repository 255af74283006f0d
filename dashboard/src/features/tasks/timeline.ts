/** A task's life as bars on one time axis. */
import type { Execution, Task } from "@/api/types";

export interface Bar {
  key: string;
  kind: "wait" | "attempt";
  /** Seconds since the task was created. */
  from: number;
  to: number;
  attempt: Execution | null;
}

export interface Timeline {
  bars: Bar[];
  /** Seconds that the axis spans, never 0. */
  span: number;
}

/**
 * The latest attempt may have no row: one that runs gets its row when it ends, and mails of a campaign keep their
 * history in the ledger of recipients. It is put together from the task itself.
 */
export function withLatest(task: Task, executions: Execution[]): Execution[] {
  const ordered = [...executions].sort(
    (a, b) => Date.parse(a.started_at) - Date.parse(b.started_at),
  );
  const known = ordered.some((execution) => execution.lease_epoch === task.lease_epoch);
  const told = task.status === "RUNNING" || (task.completed_at !== null && ordered.length === 0);
  if (!task.started_at || known || !told) return ordered;
  return [
    ...ordered,
    {
      execution_id: `latest-${task.lease_epoch}`,
      attempt_number: task.retry_count + 1,
      lease_epoch: task.lease_epoch,
      worker_id: task.worker_id,
      started_at: task.started_at,
      completed_at: task.completed_at,
      duration_seconds: null,
      status: task.status,
      error_message: null,
    },
  ];
}

export function timeline(task: Task, executions: Execution[], now: number): Timeline {
  const zero = Date.parse(task.created_at);
  const at = (iso: string) => Math.max((Date.parse(iso) - zero) / 1000, 0);
  const bars: Bar[] = [];
  let free = 0;
  for (const attempt of withLatest(task, executions)) {
    const from = at(attempt.started_at);
    const to = attempt.completed_at
      ? at(attempt.completed_at)
      : Math.max((now - zero) / 1000, from);
    if (from > free)
      bars.push({
        key: `wait-${attempt.execution_id}`,
        kind: "wait",
        from: free,
        to: from,
        attempt,
      });
    bars.push({ key: attempt.execution_id, kind: "attempt", from, to, attempt });
    free = Math.max(free, to);
  }
  const waits = ["PENDING", "SCHEDULED", "BLOCKED"].includes(task.status);
  if (waits) {
    const until = Math.max((now - zero) / 1000, free, task.due_at ? at(task.due_at) : 0);
    bars.push({ key: "wait-next", kind: "wait", from: free, to: until, attempt: null });
    free = until;
  }
  return { bars, span: Math.max(free, 0.001) };
}
