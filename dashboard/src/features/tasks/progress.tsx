import type { TaskDetail } from "@/api/types";
import { Panel } from "@/components/ui/panel";
import { Time } from "@/components/ui/time";
import { cx } from "@/lib/cx";
import { stateLook, type Tone } from "@/lib/states";

// A browser's own bar has colours of its own.
const bar =
  "h-2 w-full appearance-none overflow-hidden rounded-full bg-rest [&::-webkit-progress-bar]:bg-rest";

const fill: Record<Tone, string> = {
  running: "[&::-moz-progress-bar]:bg-running [&::-webkit-progress-value]:bg-running",
  done: "[&::-moz-progress-bar]:bg-done [&::-webkit-progress-value]:bg-done",
  waiting: "[&::-moz-progress-bar]:bg-waiting [&::-webkit-progress-value]:bg-waiting",
  retrying: "[&::-moz-progress-bar]:bg-retrying [&::-webkit-progress-value]:bg-retrying",
  failed: "[&::-moz-progress-bar]:bg-failed [&::-webkit-progress-value]:bg-failed",
  uncertain: "[&::-moz-progress-bar]:bg-uncertain [&::-webkit-progress-value]:bg-uncertain",
};

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
            className={cx(bar, fill[stateLook("task", task.status).tone])}
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
