import type { TaskLog } from "@/api/types";
import { Panel } from "@/components/ui/panel";
import { Chips } from "@/components/ui/tabs";
import { cx } from "@/lib/cx";
import { exactTime, plural } from "@/lib/format";

const clock = new Intl.DateTimeFormat("en-GB", {
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  fractionalSecondDigits: 3,
});

const levelClass: Record<string, string> = {
  ERROR: "text-failed-fg",
  WARNING: "text-retrying-fg",
  INFO: "text-muted",
  DEBUG: "text-faint",
};

interface LogsProps {
  logs: TaskLog[];
  level: string;
  onLevel: (level: string) => void;
}

function Line({ log }: { log: TaskLog }) {
  const extra =
    log.metadata && Object.keys(log.metadata).length > 0 ? JSON.stringify(log.metadata) : null;
  return (
    <li className="grid grid-cols-[6.75rem_4rem_minmax(0,1fr)] gap-x-3 px-4 py-0.5 hover:bg-hover max-sm:grid-cols-[6.75rem_minmax(0,1fr)]">
      <time dateTime={log.created_at} title={exactTime(log.created_at)} className="text-faint">
        {clock.format(new Date(log.created_at))}
      </time>
      <span className={cx("max-sm:hidden", levelClass[log.level])}>{log.level}</span>
      <span
        className={cx("whitespace-pre-wrap break-words", log.level === "ERROR" && "text-failed-fg")}
      >
        {log.message}
        {extra && <span className="ml-2 text-faint">{extra}</span>}
      </span>
    </li>
  );
}

export function Logs({ logs, level, onLevel }: LogsProps) {
  const levels = [...new Set(logs.map((log) => log.level))];
  const shown = level ? logs.filter((log) => log.level === level) : logs;
  const ordered = [...shown].sort((a, b) => a.created_at.localeCompare(b.created_at));
  return (
    <Panel
      title="Logs"
      flush
      aside={
        levels.length > 1 ? (
          <Chips
            label="Level"
            value={level}
            onChange={onLevel}
            tabs={[
              { value: "", label: "All" },
              ...levels.map((name) => ({ value: name, label: name.toLowerCase() })),
            ]}
          />
        ) : (
          plural(logs.length, "line")
        )
      }
    >
      {ordered.length === 0 ? (
        <p className="px-4 py-5 text-muted text-sm">This task has logged nothing.</p>
      ) : (
        <section aria-label="Log lines" tabIndex={0} className="max-h-96 overflow-y-auto py-2">
          <ul className="font-mono text-[12.5px] leading-5">
            {ordered.map((log) => (
              <Line key={log.log_id} log={log} />
            ))}
          </ul>
        </section>
      )}
    </Panel>
  );
}
