import type { Worker } from "@/api/types";
import type { Column } from "@/components/ui/data-table";
import { State } from "@/components/ui/state";
import { Time } from "@/components/ui/time";
import { Tooltip } from "@/components/ui/tooltip";
import { cx } from "@/lib/cx";
import { count, shortId } from "@/lib/format";
import { workerState } from "@/lib/states";

/** One block a slot up to this many, a plain bar above. */
const MAX_BLOCKS = 24;

export function Load({ worker }: { worker: Worker }) {
  const { current_load: load, capacity } = worker;
  return (
    <Tooltip label={`${count(load)} of ${count(capacity)} slots busy`}>
      <span className="flex items-center gap-2.5">
        <span
          role="img"
          aria-label={`${load} of ${capacity} slots busy`}
          className="flex h-3 w-32 gap-px overflow-hidden rounded-xs"
        >
          {capacity <= MAX_BLOCKS ? (
            Array.from({ length: capacity }, (_, slot) => (
              <span
                // biome-ignore lint/suspicious/noArrayIndexKey: slots are numbered
                key={slot}
                className={cx("min-w-0 flex-1", slot < load ? "bg-running" : "bg-rest")}
              />
            ))
          ) : (
            <span className="flex flex-1 bg-rest">
              <span className="bg-running" style={{ width: `${(load / capacity) * 100}%` }} />
            </span>
          )}
        </span>
        <span className="text-muted">
          {count(load)} / {count(capacity)}
        </span>
      </span>
    </Tooltip>
  );
}

export function version(worker: Worker): string {
  const value = worker.metadata.version;
  return typeof value === "string" ? value : "–";
}

export const workerColumns: Column<Worker>[] = [
  {
    id: "host",
    header: "Worker",
    cell: ({ row }) => (
      <span>
        <span className="font-medium">{row.original.hostname}</span>{" "}
        <span className="ml-1 font-mono text-faint text-xs">{shortId(row.original.worker_id)}</span>
      </span>
    ),
    meta: { width: "minmax(0,1.2fr)" },
  },
  {
    id: "status",
    header: "Status",
    cell: ({ row }) => <State kind="worker" status={workerState(row.original)} />,
    meta: { width: "116px" },
  },
  {
    id: "load",
    header: "Load",
    cell: ({ row }) => <Load worker={row.original} />,
    meta: { width: "220px" },
  },
  {
    id: "queues",
    header: "Queues",
    cell: ({ row }) => (
      <span className="text-muted">
        {row.original.queues.length > 0 ? row.original.queues.join(", ") : "all"}
      </span>
    ),
    meta: { width: "minmax(0,1fr)", from: 1000 },
  },
  {
    id: "version",
    header: "Version",
    cell: ({ row }) => <span className="text-muted">{version(row.original)}</span>,
    meta: { width: "84px", from: 1180 },
  },
  {
    id: "beat",
    header: "Heartbeat",
    cell: ({ row }) => (
      <Time
        iso={row.original.last_heartbeat}
        className={cx(
          "whitespace-nowrap",
          workerState(row.original) === "DEAD" ? "text-failed-fg" : "text-muted",
        )}
      />
    ),
    meta: { width: "104px", align: "end" },
  },
];

export function WorkerCard({ worker }: { worker: Worker }) {
  return (
    <>
      <span className="flex items-center justify-between gap-3">
        <span className="truncate font-medium text-sm">{worker.hostname}</span>
        <State kind="worker" status={workerState(worker)} />
      </span>
      <span className="flex items-center justify-between gap-3 text-xs">
        <Load worker={worker} />
        <Time iso={worker.last_heartbeat} className="text-faint" />
      </span>
    </>
  );
}
