import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import { api, body } from "../client";
import type { DeadLetter, Page } from "../types";
import { given, PAGE_SIZE, paged, pageLimit } from "./pages";

export const deadLetterKeys = {
  all: ["dead-letters"] as const,
  lists: () => [...deadLetterKeys.all, "list"] as const,
  list: (taskName: string, limit: number) => [...deadLetterKeys.lists(), taskName, limit] as const,
  detail: (dlqId: string) => [...deadLetterKeys.all, "detail", dlqId] as const,
};

export function deadLettersQuery(taskName = "", limit = PAGE_SIZE) {
  return infiniteQueryOptions({
    queryKey: deadLetterKeys.list(taskName, limit),
    queryFn: ({ pageParam, signal }) =>
      body<Page<DeadLetter>>(
        api.GET("/api/v1/dead-letters", {
          params: {
            query: given({
              task_name: taskName,
              cursor: pageParam,
              limit: pageLimit(pageParam, limit),
            }),
          },
          signal,
        }),
      ),
    ...paged,
  });
}

export function deadLetterQuery(dlqId: string) {
  return queryOptions({
    queryKey: deadLetterKeys.detail(dlqId),
    queryFn: ({ signal }) =>
      body<DeadLetter>(
        api.GET("/api/v1/dead-letters/{dlq_id}", { params: { path: { dlq_id: dlqId } }, signal }),
      ),
  });
}

/** Puts many back in their queues: the named ones, or all that match the filter. */
export function requeueDeadLetters(which: { task_name?: string; dlq_ids?: string[] }) {
  return body<{ requeued: number }>(
    api.POST("/api/v1/dead-letters/requeue", { body: { ...which, all: true } }),
  );
}
