import { Link } from "react-router";
import type { Task } from "@/api/types";
import { CopyId } from "@/components/ui/copy";
import type { Column } from "@/components/ui/data-table";
import { State } from "@/components/ui/state";
import { Time } from "@/components/ui/time";
import { duration, shortId } from "@/lib/format";
import { taskStatus } from "@/lib/states";

/** How long it has run, or ran: from its latest start to its end. */
export function runSeconds(task: Task): number | null {
  if (!task.started_at || !task.completed_at) return null;
  return Math.max((Date.parse(task.completed_at) - Date.parse(task.started_at)) / 1000, 0);
}

export function attemptText(task: Task): string {
  return `${task.retry_count} of ${task.max_retries}`;
}

export const taskColumns: Column<Task>[] = [
  {
    id: "status",
    header: "Status",
    cell: ({ row }) => <State kind="task" status={taskStatus(row.original)} />,
    meta: { width: "124px" },
  },
  {
    id: "task",
    header: "Task",
    cell: ({ row }) => (
      <Link to={`/tasks/${row.original.task_id}`} tabIndex={-1} className="font-medium">
        {row.original.task_name}
      </Link>
    ),
    meta: { width: "minmax(0,1fr)" },
  },
  {
    id: "id",
    header: "Id",
    cell: ({ row }) => <CopyId id={row.original.task_id} className="-ml-1" />,
    meta: { width: "92px" },
  },
  {
    id: "queue",
    header: "Queue",
    cell: ({ row }) => <span className="text-muted">{row.original.queue}</span>,
    meta: { width: "112px", from: 900 },
  },
  {
    id: "priority",
    header: "Priority",
    cell: ({ row }) => (
      <span className="text-muted">
        {row.original.priority_name?.toLowerCase() ?? row.original.priority}
      </span>
    ),
    meta: { width: "84px", from: 1100 },
  },
  {
    id: "retries",
    header: "Retries",
    cell: ({ row }) => (
      <span className={row.original.retry_count > 0 ? "text-retrying-fg" : "text-faint"}>
        {attemptText(row.original)}
      </span>
    ),
    meta: { width: "76px", from: 1000 },
  },
  {
    id: "worker",
    header: "Worker",
    cell: ({ row }) =>
      row.original.worker_id ? (
        <span className="font-mono text-muted text-xs">{shortId(row.original.worker_id)}</span>
      ) : (
        <span className="text-faint">–</span>
      ),
    meta: { width: "92px", from: 1280 },
  },
  {
    id: "took",
    header: "Took",
    cell: ({ row }) => {
      const seconds = runSeconds(row.original);
      return <span className="text-muted">{seconds === null ? "–" : duration(seconds)}</span>;
    },
    meta: { width: "88px", align: "end" },
  },
  {
    id: "created",
    header: "Created",
    cell: ({ row }) => <Time iso={row.original.created_at} />,
    meta: { width: "104px", align: "end" },
  },
];

export function TaskCard({ task }: { task: Task }) {
  return (
    <>
      <span className="flex items-center justify-between gap-3">
        <span className="truncate font-medium text-sm">{task.task_name}</span>
        <State kind="task" status={taskStatus(task)} />
      </span>
      <span className="flex justify-between gap-3 text-faint text-xs">
        <span className="truncate">
          {task.queue} · <span className="font-mono">{shortId(task.task_id)}</span>
        </span>
        <Time iso={task.created_at} className="shrink-0" />
      </span>
    </>
  );
}
