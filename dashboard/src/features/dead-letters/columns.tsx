import { Link } from "react-router";
import type { DeadLetter } from "@/api/types";
import type { Column } from "@/components/ui/data-table";
import { Time } from "@/components/ui/time";

export const deadLetterColumns: Column<DeadLetter>[] = [
  {
    id: "task",
    header: "Task",
    cell: ({ row }) => (
      <Link to={`/dead-letters/${row.original.dlq_id}`} tabIndex={-1} className="font-medium">
        {row.original.task_name}
      </Link>
    ),
    meta: { width: "minmax(0,0.7fr)" },
  },
  {
    id: "reason",
    header: "Why it gave up",
    cell: ({ row }) => <span className="text-failed-fg">{row.original.failure_reason}</span>,
    meta: { width: "minmax(0,1.4fr)" },
  },
  {
    id: "attempts",
    header: "Attempts",
    cell: ({ row }) => <span className="text-muted">{row.original.total_attempts}</span>,
    meta: { width: "76px", align: "end", from: 900 },
  },
  {
    id: "requeued",
    header: "Requeued",
    cell: ({ row }) => <Time iso={row.original.requeued_at} />,
    meta: { width: "104px", align: "end", from: 1000 },
  },
  {
    id: "moved",
    header: "Gave up",
    cell: ({ row }) => <Time iso={row.original.moved_at} />,
    meta: { width: "104px", align: "end" },
  },
];

export function DeadLetterCard({ letter }: { letter: DeadLetter }) {
  return (
    <>
      <span className="flex items-center justify-between gap-3">
        <span className="truncate font-medium text-sm">{letter.task_name}</span>
        <Time iso={letter.moved_at} className="shrink-0 text-faint text-xs" />
      </span>
      <span className="truncate text-failed-fg text-xs">{letter.failure_reason}</span>
    </>
  );
}
