import { type InfiniteData, type QueryKey, useQueryClient } from "@tanstack/react-query";
import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import { type LiveEvent, reads, useLive } from "@/api/live";
import { throttle } from "@/api/live/throttle";
import type { Page, Task } from "@/api/types";

type Tasks = InfiniteData<Page<Task>>;

/** A campaign ends thousands of tasks a second; eyes follow two changes. */
const PATCH_MS = 500;
const REFRESH_MS = 5_000;

/** Puts the statuses of events into the rows that are on the screen; null when they concern none of them. */
export function patched(data: Tasks, events: LiveEvent[]): Tasks | null {
  const changes = new Map(events.map((event) => [event.data.task_id, event.data]));
  let hit = false;
  const pages = data.pages.map((page) => ({
    ...page,
    items: page.items.map((task) => {
      const change = changes.get(task.task_id);
      if (!change) return task;
      hit = true;
      return { ...task, ...(change as Partial<Task>) };
    }),
  }));
  return hit ? { ...data, pages } : null;
}

/**
 * A live list. Rows on the screen change at once; new ones come by reading the first page again, or, for somebody who
 * has scrolled further down, when asked: `stale` says that there is something to ask for.
 */
export function useLiveTasks(queryKey: QueryKey): { stale: boolean; refresh: () => void } {
  const client = useQueryClient();
  const [stale, setStale] = useState(false);
  const key = JSON.stringify(queryKey);
  const latest = useRef(queryKey);
  const pending = useRef<LiveEvent[]>([]);
  useEffect(() => {
    latest.current = queryKey;
  });
  const until = useRef(0);
  const again = useMemo(
    () =>
      throttle(() => {
        const pages = client.getQueryData<Tasks>(latest.current)?.pages.length ?? 0;
        if (pages > 1) setStale(true);
        else reads.again(latest.current, until.current);
      }, REFRESH_MS),
    [client],
  );
  const missed = useCallback(
    (at: number) => {
      until.current = Math.max(until.current, at);
      if (reads.older(latest.current, until.current)) again();
    },
    [again],
  );
  // biome-ignore lint/correctness/useExhaustiveDependencies: other filters, another list, perhaps one seen before
  useEffect(() => {
    setStale(false);
    missed(until.current);
  }, [key]);
  const patch = useMemo(
    () =>
      throttle(() => {
        const events = pending.current.splice(0);
        client.setQueryData<Tasks>(
          latest.current,
          (data) => (data && patched(data, events)) ?? data,
        );
      }, PATCH_MS),
    [client],
  );
  useEffect(
    () => () => {
      again.cancel();
      patch.cancel();
    },
    [again, patch],
  );
  useLive(
    ["tasks"],
    (events) => {
      pending.current.push(...events);
      until.current = performance.now();
      patch();
      again();
    },
    missed,
  );
  const refresh = () => {
    setStale(false);
    void client.resetQueries({ queryKey: latest.current });
  };
  return { stale, refresh };
}
