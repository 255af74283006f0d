import type { ReactNode } from "react";
import { Link } from "react-router";
import type { DeadLetter, Task } from "@/api/types";
import { Panel } from "@/components/ui/panel";
import { State } from "@/components/ui/state";
import { Time } from "@/components/ui/time";

interface RecentProps<T> {
  title: string;
  all: { to: string; label: string };
  items: T[];
  empty: string;
  children: (item: T) => { key: string; to: string; line: ReactNode };
}

function Recent<T>({ title, all, items, empty, children }: RecentProps<T>) {
  return (
    <Panel
      title={title}
      flush
      aside={
        <Link to={all.to} className="rounded-sm hover:text-fg">
          {all.label}
        </Link>
      }
    >
      {items.length === 0 ? (
        <p className="px-4 py-6 text-center text-muted text-sm">{empty}</p>
      ) : (
        <ul className="divide-y divide-line">
          {items.map((item) => {
            const { key, to, line } = children(item);
            return (
              <li key={key}>
                <Link
                  to={to}
                  className="flex h-9 items-center gap-3 px-4 text-sm hover:bg-hover focus-visible:-outline-offset-2 max-md:h-11"
                >
                  {line}
                </Link>
              </li>
            );
          })}
        </ul>
      )}
    </Panel>
  );
}

export function RecentFailures({ tasks }: { tasks: Task[] }) {
  return (
    <Recent
      title="Latest failures"
      all={{ to: "/tasks?status=FAILED", label: "All failed tasks" }}
      items={tasks}
      empty="No task has failed."
    >
      {(task) => ({
        key: task.task_id,
        to: `/tasks/${task.task_id}`,
        line: (
          <>
            <State kind="task" status={task.status} className="w-24 shrink-0" />
            <span className="min-w-0 flex-1 truncate">{task.task_name}</span>
            <span className="shrink-0 text-faint max-sm:hidden">{task.queue}</span>
            <Time iso={task.completed_at} className="w-20 shrink-0 text-right text-muted" />
          </>
        ),
      })}
    </Recent>
  );
}

export function RecentDeadLetters({ letters }: { letters: DeadLetter[] }) {
  return (
    <Recent
      title="Dead letters"
      all={{ to: "/dead-letters", label: "All dead letters" }}
      items={letters}
      empty="No task has given up."
    >
      {(letter) => ({
        key: letter.dlq_id,
        to: `/dead-letters/${letter.dlq_id}`,
        line: (
          <>
            <span className="shrink-0">{letter.task_name}</span>
            <span className="min-w-0 flex-1 truncate text-muted">{letter.failure_reason}</span>
            <Time iso={letter.moved_at} className="w-20 shrink-0 text-right text-muted" />
          </>
        ),
      })}
    </Recent>
  );
}
