import type { ReactNode } from "react";
import { Link } from "react-router";
import type { Stats } from "@/api/types";
import { Skeleton } from "@/components/ui/feedback";
import { Sparkline } from "@/components/ui/sparkline";
import { compact, count, rate } from "@/lib/format";

interface FigureProps {
  label: string;
  value: ReactNode;
  note?: ReactNode;
  to: string;
  spark?: ReactNode;
}

function Figure({ label, value, note, to, spark }: FigureProps) {
  return (
    <Link
      to={to}
      className="relative flex h-[92px] min-w-0 flex-col bg-bg px-4 py-3 hover:bg-hover focus-visible:-outline-offset-2"
    >
      <span className="truncate text-muted text-sm">{label}</span>
      <span className="mt-0.5 font-semibold text-xl tracking-[-0.01em]">{value}</span>
      <span className="mt-auto truncate text-faint text-xs">{note}</span>
      {spark && <span className="absolute right-4 bottom-3 w-20">{spark}</span>}
    </Link>
  );
}

export function Figures({ stats }: { stats: Stats }) {
  const ready = stats.tasks.queues.reduce((sum, queue) => sum + queue.ready, 0);
  const running = stats.tasks.queues.reduce((sum, queue) => sum + queue.running, 0);
  const busiest = [...stats.tasks.queues].sort((a, b) => b.ready - a.ready)[0];
  const { workers } = stats;
  return (
    <div className="grid grid-cols-2 gap-px overflow-hidden rounded-lg border bg-line md:grid-cols-3 xl:grid-cols-6">
      <Figure
        label="Completed"
        value={rate(stats.tasks.completed_per_second)}
        note="last minute"
        to="/tasks?status=COMPLETED"
        spark={
          <Sparkline
            label="Completed tasks, last hour"
            values={stats.throughput.map((minute) => minute.completed)}
            className="h-6 w-full text-done"
          />
        }
      />
      <Figure
        label="Waiting"
        value={compact(ready)}
        note={busiest && busiest.ready > 0 ? `most in ${busiest.queue}` : "queues are empty"}
        to="/tasks?status=PENDING"
      />
      <Figure
        label="Running"
        value={compact(running)}
        note="right now"
        to="/tasks?status=RUNNING"
      />
      <Figure
        label="Failed"
        value={compact(stats.tasks.failed_last_hour)}
        note="last hour"
        to="/tasks?status=FAILED"
        spark={
          stats.tasks.failed_last_hour > 0 && (
            <Sparkline
              label="Failed tasks, last hour"
              values={stats.throughput.map((minute) => minute.failed)}
              className="h-6 w-full text-failed"
            />
          )
        }
      />
      <Figure
        label="Workers"
        value={count(workers.active)}
        note={`${count(workers.load)} of ${count(workers.capacity)} slots busy`}
        to="/workers"
      />
      <Figure
        label="Dead letters"
        value={compact(stats.dead_letters)}
        note={stats.dead_letters > 0 ? "wait for a decision" : "none"}
        to="/dead-letters"
      />
    </div>
  );
}

export function FiguresSkeleton() {
  return (
    <div className="grid grid-cols-2 gap-px overflow-hidden rounded-lg border bg-line md:grid-cols-3 xl:grid-cols-6">
      {["completed", "waiting", "running", "failed", "workers", "dead"].map((name) => (
        <div key={name} className="h-[92px] bg-bg px-4 py-3">
          <Skeleton className="h-3 w-20" />
          <Skeleton className="mt-3 h-5 w-16" />
        </div>
      ))}
    </div>
  );
}
