import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import { api, body } from "../client";
import type { Page, Task, TaskDetail, TaskGraph, TaskStatus } from "../types";
import { given, PAGE_SIZE, paged, pageLimit } from "./pages";

export interface TaskFilter {
  status?: TaskStatus[];
  task_name?: string;
  queue?: string;
  /** Tasks that have all of them. */
  tag?: string[];
  campaign_id?: string;
  created_after?: string;
  created_before?: string;
}

const LOOK_EVERY_MS = 5_000;

export const taskKeys = {
  all: ["tasks"] as const,
  lists: () => [...taskKeys.all, "list"] as const,
  list: (filter: TaskFilter, limit: number) => [...taskKeys.lists(), filter, limit] as const,
  detail: (taskId: string) => [...taskKeys.all, "detail", taskId] as const,
  graph: (taskId: string) => [...taskKeys.detail(taskId), "graph"] as const,
};

export function tasksQuery(filter: TaskFilter, limit = PAGE_SIZE) {
  const query = given({ ...filter });
  return infiniteQueryOptions({
    queryKey: taskKeys.list(query, limit),
    queryFn: ({ pageParam, signal }) =>
      body<Page<Task>>(
        api.GET("/api/v1/tasks", {
          params: {
            query: given({ ...query, cursor: pageParam, limit: pageLimit(pageParam, limit) }),
          },
          signal,
        }),
      ),
    ...paged,
  });
}

export function taskQuery(taskId: string) {
  return queryOptions({
    queryKey: taskKeys.detail(taskId),
    queryFn: ({ signal }) =>
      body<TaskDetail>(
        api.GET("/api/v1/tasks/{task_id}", { params: { path: { task_id: taskId } }, signal }),
      ),
    // Ends are events; that a task has begun is only to be found out.
    refetchInterval: ({ state }) => (state.data?.completed_at === null ? LOOK_EVERY_MS : false),
  });
}

const ended = new Set<TaskStatus>(["COMPLETED", "FAILED", "CANCELLED", "TIMEOUT"]);
const NEAREST = 200;

/** What hangs together with a task: the nearest so many. */
export function taskGraphQuery(taskId: string) {
  return queryOptions({
    queryKey: taskKeys.graph(taskId),
    queryFn: ({ signal }) =>
      body<TaskGraph>(
        api.GET("/api/v1/tasks/{task_id}/graph", {
          params: { path: { task_id: taskId }, query: { limit: NEAREST } },
          signal,
        }),
      ),
    // The events of this task say nothing of its neighbours.
    refetchInterval: ({ state }) =>
      state.data?.edges.length && !state.data.nodes.every((node) => ended.has(node.status))
        ? LOOK_EVERY_MS
        : false,
  });
}

/** The filter as a request's body has it. */
function selection({ tag, ...filter }: TaskFilter) {
  return { ...given({ ...filter, tags: tag }), all: true };
}

/** Cancels all that match and have not ended. */
export function cancelTasks(filter: TaskFilter) {
  return body<{ cancelled: number }>(api.POST("/api/v1/tasks/cancel", { body: selection(filter) }));
}

/** Starts all over that match and ended badly. */
export function retryTasks(filter: TaskFilter) {
  return body<{ retried: number }>(api.POST("/api/v1/tasks/retry", { body: selection(filter) }));
}

export function cancelTask(taskId: string): Promise<Task> {
  return body(api.DELETE("/api/v1/tasks/{task_id}", { params: { path: { task_id: taskId } } }));
}

export function retryTask(taskId: string): Promise<Task> {
  return body(api.POST("/api/v1/tasks/{task_id}/retry", { params: { path: { task_id: taskId } } }));
}
