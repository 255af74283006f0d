import { lazy, Suspense } from "react";
import type { Stats } from "@/api/types";
import { Skeleton } from "@/components/ui/feedback";
import { Panel } from "@/components/ui/panel";
import { count } from "@/lib/format";

const ThroughputChart = lazy(() => import("./throughput-chart"));

function Key({ className, children }: { className: string; children: string }) {
  return (
    <span className="flex items-center gap-1.5 text-xs">
      <span aria-hidden className={`size-2 rounded-xs ${className}`} />
      {children}
    </span>
  );
}

export function Throughput({ points }: { points: Stats["throughput"] }) {
  const completed = points.reduce((sum, point) => sum + point.completed, 0);
  const failed = points.reduce((sum, point) => sum + point.failed, 0);
  return (
    <Panel
      title="Tasks per minute"
      aside={
        <>
          <Key className="bg-done">Completed</Key>
          <Key className="bg-failed">Failed</Key>
        </>
      }
    >
      <div className="h-52">
        <p className="sr-only">
          In the last hour {count(completed)} tasks completed and {count(failed)} failed.
        </p>
        <div aria-hidden className="h-full">
          <Suspense fallback={<Skeleton className="h-full w-full" />}>
            <ThroughputChart points={points} />
          </Suspense>
        </div>
      </div>
    </Panel>
  );
}
