import type { ReactNode } from "react";
import { Link } from "react-router";
import type { TaskDetail } from "@/api/types";
import { Json } from "@/components/ui/code";
import { CopyId } from "@/components/ui/copy";
import { Panel, Properties } from "@/components/ui/panel";
import { Time } from "@/components/ui/time";
import { duration } from "@/lib/format";
import { attemptText } from "./columns";

function Ref({ to, id }: { to: string; id: string }) {
  return (
    <Link to={to} className="rounded-sm font-mono text-xs underline underline-offset-2">
      {id.slice(-8)}
    </Link>
  );
}

function Tags({ tags }: { tags: string[] }) {
  return (
    <span className="flex flex-wrap gap-x-2">
      {tags.map((tag) => (
        <Link
          key={tag}
          to={`/tasks?tag=${encodeURIComponent(tag)}`}
          className="rounded-sm underline underline-offset-2"
        >
          {tag}
        </Link>
      ))}
    </span>
  );
}

export function TaskFacts({ task }: { task: TaskDetail }) {
  const items: [string, ReactNode][] = [
    ["Id", <CopyId key="id" id={task.task_id} className="-ml-1" />],
    ["Queue", task.queue],
    [
      "Priority",
      task.priority_name ? `${task.priority_name.toLowerCase()} (${task.priority})` : task.priority,
    ],
    ["Retries", attemptText(task)],
    ["Timeout", duration(task.timeout_seconds)],
    ["Created", <Time key="created" iso={task.created_at} className="" />],
  ];
  if (task.scheduled_at)
    items.push(["Scheduled for", <Time key="s" iso={task.scheduled_at} className="" />]);
  if (task.due_at) items.push(["Next attempt", <Time key="d" iso={task.due_at} className="" />]);
  if (task.started_at)
    items.push(["Started", <Time key="st" iso={task.started_at} className="" />]);
  if (task.completed_at)
    items.push(["Ended", <Time key="e" iso={task.completed_at} className="" />]);
  if (task.worker_id)
    items.push([
      "Worker",
      <Ref key="w" to={`/workers?worker=${task.worker_id}`} id={task.worker_id} />,
    ]);
  if (task.campaign_id) {
    items.push([
      "Campaign",
      <Ref key="c" to={`/campaigns/${task.campaign_id}`} id={task.campaign_id} />,
    ]);
  }
  if (task.parent_task_id && task.dependencies.length === 0) {
    items.push([
      "Parent",
      <Ref key="p" to={`/tasks/${task.parent_task_id}`} id={task.parent_task_id} />,
    ]);
  }
  if (task.tags.length > 0) items.push(["Tags", <Tags key="t" tags={task.tags} />]);
  if (task.expires_at) items.push(["Expires", <Time key="x" iso={task.expires_at} className="" />]);
  if (task.crash_count > 0) items.push(["Crashes", task.crash_count]);
  items.push(["Lease epoch", task.lease_epoch]);
  return (
    <Panel title="Details">
      <Properties items={items} />
    </Panel>
  );
}

function isEmpty(value: unknown): boolean {
  return (
    value === null ||
    value === undefined ||
    (typeof value === "object" && Object.keys(value).length === 0)
  );
}

export function TaskArguments({ task }: { task: TaskDetail }) {
  const none = isEmpty(task.task_args) && isEmpty(task.task_kwargs);
  return (
    <Panel title="Arguments">
      {none ? (
        <p className="text-muted text-sm">
          {task.dependencies.length > 0 ? "None of its own." : "It takes none."}
        </p>
      ) : (
        <div className="flex flex-col gap-3">
          {!isEmpty(task.task_args) && <Json value={task.task_args} label="arguments" />}
          {!isEmpty(task.task_kwargs) && (
            <Json value={task.task_kwargs} label="keyword arguments" />
          )}
        </div>
      )}
    </Panel>
  );
}
