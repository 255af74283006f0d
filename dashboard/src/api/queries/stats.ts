import { queryOptions } from "@tanstack/react-query";
import { api, body } from "../client";
import type { Stats } from "../types";

export const statsKeys = { all: ["stats"] as const };

export function statsQuery() {
  return queryOptions({
    queryKey: statsKeys.all,
    queryFn: ({ signal }) => body<Stats>(api.GET("/api/v1/stats", { signal })),
    refetchInterval: 10_000,
  });
}
