import type { TaskDetail } from "@/api/types";
import { Panel } from "@/components/ui/panel";
import { Time } from "@/components/ui/time";

/** How far a task says it is. */
export function TaskProgress({ task }: { task: TaskDetail }) {
  const progress = task.progress;
  if (!progress) return null;
  const percent = progress.percent === null ? null : Math.floor(progress.percent);
  return (
    <Panel title="Progress">
      <div className="flex flex-col gap-2 text-sm">
        {percent !== null && (
          <progress
            className="h-2 w-full accent-(--running)"
            value={percent}
            max={100}
            aria-label="Progress of the task"
          />
        )}
        <p className="break-words">
          {percent !== null && <span className="tabular-nums">{percent} % </span>}
          {progress.total !== null && (
            <span className="text-muted tabular-nums">
              ({progress.done} of {progress.total}){" "}
            </span>
          )}
          {progress.message}
        </p>
        <p className="text-muted text-xs">
          <Time iso={progress.updated_at} className="" />
        </p>
      </div>
    </Panel>
  );
}
