import { Link } from "react-router";
import type { Stats } from "@/api/types";
import { Panel } from "@/components/ui/panel";
import { cx } from "@/lib/cx";
import { compact, count } from "@/lib/format";

/** Waiting and running, a queue a line; the bars share one scale so that the longest line is the longest queue. */
export function Queues({ queues }: { queues: Stats["tasks"]["queues"] }) {
  const longest = Math.max(...queues.map((queue) => queue.ready + queue.running), 1);
  return (
    <Panel title="Queues" flush>
      {queues.length === 0 ? (
        <p className="px-4 py-6 text-center text-muted text-sm">No queue has had a task yet.</p>
      ) : (
        <ul className="divide-y divide-line">
          {queues.map((queue) => {
            const stuck = queue.ready > 0 && queue.running === 0;
            return (
              <li key={queue.queue}>
                <Link
                  to={`/tasks?queue=${encodeURIComponent(queue.queue)}`}
                  className="block px-4 py-2 hover:bg-hover focus-visible:-outline-offset-2"
                >
                  <span className="flex items-baseline justify-between gap-3 text-sm">
                    <span className="truncate font-medium">{queue.queue}</span>
                    <span className={cx("shrink-0", stuck ? "text-retrying-fg" : "text-muted")}>
                      {compact(queue.ready)} waiting · {compact(queue.running)} running
                    </span>
                  </span>
                  <span
                    role="img"
                    aria-label={`${count(queue.running)} running, ${count(queue.ready)} waiting`}
                    className="mt-1.5 flex h-1 gap-px"
                  >
                    <span
                      className="rounded-full bg-running"
                      style={{ width: `${(queue.running / longest) * 100}%` }}
                    />
                    <span
                      className="rounded-full bg-waiting"
                      style={{ width: `${(queue.ready / longest) * 100}%` }}
                    />
                  </span>
                </Link>
              </li>
            );
          })}
        </ul>
      )}
    </Panel>
  );
}
