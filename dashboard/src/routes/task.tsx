import { useQuery } from "@tanstack/react-query";
import { useParams } from "react-router";
import { useLiveInvalidation } from "@/api/live/use-live-invalidation";
import { taskGraphQuery, taskKeys, taskQuery } from "@/api/queries/tasks";
import { Skeleton } from "@/components/ui/feedback";
import { Page } from "@/components/ui/page";
import { State } from "@/components/ui/state";
import { Loaded } from "@/features/shared/loaded";
import { useUrlState } from "@/features/shared/use-url-state";
import { Attempts } from "@/features/tasks/attempts";
import { TaskArguments, TaskFacts } from "@/features/tasks/facts";
import { Logs } from "@/features/tasks/logs";
import { Outcome } from "@/features/tasks/outcome";
import { TaskProgress } from "@/features/tasks/progress";
import { Related } from "@/features/tasks/related";
import { TaskActions } from "@/features/tasks/task-actions";
import { shortId } from "@/lib/format";
import { taskStatus } from "@/lib/states";

const back = { to: "/tasks", label: "Tasks" };

export default function TaskPage() {
  const { taskId = "" } = useParams();
  const { get, set } = useUrlState();
  const query = useQuery(taskQuery(taskId));
  const graph = useQuery(taskGraphQuery(taskId));
  const task = query.data;
  // An address that names no task has no topic, and the server would refuse all that are asked for with it.
  useLiveInvalidation(task ? [`task:${task.task_id}`] : [], [taskKeys.detail(taskId)], 1_500);

  return (
    <Page
      title={task?.task_name ?? "Task"}
      documentTitle={task ? `${task.task_name} ${shortId(taskId)}` : "Task"}
      back={back}
      badge={task && <State kind="task" status={taskStatus(task)} badge />}
      actions={task && <TaskActions task={task} />}
    >
      <Loaded query={query} skeleton={<TaskSkeleton />}>
        {(data) => (
          <div className="grid items-start gap-4 lg:grid-cols-[minmax(0,1fr)_20rem]">
            <div className="flex min-w-0 flex-col gap-4">
              <TaskProgress task={data} />
              <Outcome task={data} />
              <Attempts task={data} executions={data.executions} />
              <Logs logs={data.logs} level={get("level")} onLevel={(level) => set({ level })} />
            </div>
            <div className="flex min-w-0 flex-col gap-4">
              <TaskFacts task={data} />
              <TaskArguments task={data} />
              <Related taskId={taskId} graph={graph.data} />
            </div>
          </div>
        )}
      </Loaded>
    </Page>
  );
}

function TaskSkeleton() {
  return (
    <div
      role="status"
      aria-label="Loading"
      className="grid gap-4 lg:grid-cols-[minmax(0,1fr)_20rem]"
    >
      <div className="flex flex-col gap-4">
        <Skeleton className="h-44" />
        <Skeleton className="h-64" />
      </div>
      <Skeleton className="h-80" />
    </div>
  );
}
