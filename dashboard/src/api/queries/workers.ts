import { queryOptions } from "@tanstack/react-query";
import { api, body } from "../client";
import type { Page, Worker } from "../types";

export const workerKeys = { all: ["workers"] as const };

export function workersQuery() {
  return queryOptions({
    queryKey: workerKeys.all,
    queryFn: ({ signal }) => body<Page<Worker>>(api.GET("/api/v1/workers", { signal })),
    refetchInterval: 15_000,
  });
}

export function setWorkerPaused(workerId: string, paused: boolean): Promise<Worker> {
  const params = { path: { worker_id: workerId } };
  return body(
    paused
      ? api.POST("/api/v1/workers/{worker_id}/pause", { params })
      : api.POST("/api/v1/workers/{worker_id}/resume", { params }),
  );
}
