import { Link } from "react-router";
import type { TaskGraph } from "@/api/types";
import { Panel } from "@/components/ui/panel";
import { State } from "@/components/ui/state";
import { count, shortId } from "@/lib/format";
import { type Neighbour, neighbours } from "./neighbours";

const MOST = 50;

function Neighbours({ title, of }: { title: string; of: Neighbour[] }) {
  if (of.length === 0) return null;
  return (
    <Panel title={title} aside={count(of.length)} flush>
      <ul>
        {of.slice(0, MOST).map(({ node, hands }) => (
          <li key={node.task_id} className="border-b last:border-b-0">
            <Link
              to={`/tasks/${node.task_id}`}
              className="flex min-h-9 items-center gap-2 px-4 py-1.5 text-sm hover:bg-hover"
            >
              <span className="min-w-0 flex-1 truncate font-medium">
                {node.is_group ? "Group" : node.task_name}{" "}
                <span className="font-mono font-normal text-muted text-xs">
                  {shortId(node.task_id)}
                </span>
                {hands.length > 0 && (
                  <span className="block truncate font-normal text-muted text-xs">
                    result as {hands.join(", ")}
                  </span>
                )}
              </span>
              <State kind="task" status={node.status} />
            </Link>
          </li>
        ))}
        {of.length > MOST && (
          <li className="px-4 py-2 text-muted text-sm">and {count(of.length - MOST)} more</li>
        )}
      </ul>
    </Panel>
  );
}

/** What a task waits for, and what waits for it. */
export function Related({ taskId, graph }: { taskId: string; graph: TaskGraph | undefined }) {
  if (!graph) return null;
  const { parents, children } = neighbours(taskId, graph);
  return (
    <>
      <Neighbours title="Waits for" of={parents} />
      <Neighbours title="Wait for it" of={children} />
    </>
  );
}
