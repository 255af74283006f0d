import { QueryClient } from "@tanstack/react-query";
import { ApiProblem } from "./problem";

const MAX_RETRIES = 2;

/** A refused request stays refused; only a missing or overloaded server is worth asking again. */
function worthRetrying(failures: number, error: Error): boolean {
  if (failures >= MAX_RETRIES) return false;
  if (error instanceof ApiProblem) return error.status === 429 || error.status >= 502;
  return true;
}

function delay(failures: number, error: Error): number {
  if (error instanceof ApiProblem && error.retryAfter !== null) return error.retryAfter * 1000;
  return Math.min(1000 * 2 ** failures, 8000);
}

export const queryClient = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 5_000,
      gcTime: 5 * 60_000,
      retry: worthRetrying,
      retryDelay: delay,
      refetchOnWindowFocus: true,
      // A dashboard on a laptop without internet still reaches a server on the same machine.
      networkMode: "always",
    },
    mutations: { networkMode: "always" },
  },
});
