import type { Execution, Task } from "@/api/types";
import { Panel } from "@/components/ui/panel";
import { State, toneFill } from "@/components/ui/state";
import { Tooltip } from "@/components/ui/tooltip";
import { useNow } from "@/lib/clock";
import { cx } from "@/lib/cx";
import { duration, exactTime, plural, shortId } from "@/lib/format";
import { stateLook } from "@/lib/states";
import { type Bar, timeline, withLatest } from "./timeline";

const grid =
  "grid grid-cols-[7.5rem_minmax(0,1fr)_5rem] items-center gap-x-3 max-md:grid-cols-[6.5rem_minmax(0,1fr)_4.75rem]";

function place(bar: Bar, span: number) {
  return {
    left: `${(bar.from / span) * 100}%`,
    width: `max(2px, ${((bar.to - bar.from) / span) * 100}%)`,
  };
}

function Ruler({ span }: { span: number }) {
  return (
    <div aria-hidden className={cx(grid, "border-b pb-1.5 text-faint text-xs")}>
      <span>Attempt</span>
      <span className="flex justify-between">
        <span>0</span>
        <span className="max-sm:hidden">{duration(span / 2)}</span>
        <span>{duration(span)}</span>
      </span>
      <span className="text-right">Took</span>
    </div>
  );
}

function AttemptLine({
  attempt,
  bars,
  span,
}: {
  attempt: Execution | null;
  bars: Bar[];
  span: number;
}) {
  const own = bars.find((bar) => bar.kind === "attempt");
  const wait = bars.find((bar) => bar.kind === "wait");
  const look = attempt ? stateLook("attempt", attempt.status) : null;
  const about =
    own && attempt
      ? `${exactTime(attempt.started_at)}, ran ${duration(own.to - own.from)}`
      : "Waiting";
  return (
    <li className="border-b py-1.5 last:border-0">
      <div className={grid}>
        {attempt ? (
          <State kind="attempt" status={attempt.status} />
        ) : (
          <State kind="task" status="PENDING" />
        )}
        <Tooltip
          label={wait ? `${about}, after a wait of ${duration(wait.to - wait.from)}` : about}
        >
          <div className="relative h-6">
            {wait && (
              <span
                className="absolute top-1/2 h-px border-line-strong border-t border-dashed"
                style={place(wait, span)}
              />
            )}
            {own && look && (
              <span
                className={cx("absolute top-1.5 h-3 rounded-xs", toneFill[look.tone])}
                style={place(own, span)}
              />
            )}
          </div>
        </Tooltip>
        <span className="whitespace-nowrap text-right text-muted text-sm">
          {own ? duration(own.to - own.from) : "–"}
        </span>
      </div>
      {attempt && (
        <p className="flex min-w-0 gap-2 text-faint text-xs">
          <span className="shrink-0">Attempt {attempt.attempt_number}</span>
          {attempt.worker_id && (
            <span className="shrink-0 font-mono">{shortId(attempt.worker_id)}</span>
          )}
          {attempt.error_message && (
            <span className="truncate text-failed-fg" title={attempt.error_message}>
              {attempt.error_message}
            </span>
          )}
        </p>
      )}
    </li>
  );
}

/** The name of tasks without a body. */
const GROUP = "taskflow.group";

/** Every attempt on one time axis: dashes are waiting, bars are work. */
export function Attempts({ task, executions }: { task: Task; executions: Execution[] }) {
  const now = useNow();
  const { bars, span } = timeline(task, executions, now);
  const lines = new Map<string, Bar[]>();
  for (const bar of bars) {
    const key = bar.attempt?.execution_id ?? "next";
    lines.set(key, [...(lines.get(key) ?? []), bar]);
  }
  const made = withLatest(task, executions).length;
  // Whoever starts a task over gives it all its attempts again: then there is no "up to" any more.
  const most = made <= task.max_retries + 1 ? `, up to ${task.max_retries + 1}` : "";
  return (
    <Panel title="Attempts" aside={`${plural(made, "attempt")}${most}`}>
      {lines.size === 0 ? (
        <p className="py-2 text-muted text-sm">
          {task.task_name === GROUP
            ? "A group runs nothing: it ends with its last member."
            : "It ended before it was started."}
        </p>
      ) : (
        <>
          <Ruler span={span} />
          <ul>
            {[...lines].map(([key, own]) => (
              <AttemptLine key={key} attempt={own[0]?.attempt ?? null} bars={own} span={span} />
            ))}
          </ul>
        </>
      )}
    </Panel>
  );
}
