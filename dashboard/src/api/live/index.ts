/** The live connection of this tab and the hooks that listen to it. */
import { useEffect, useRef, useSyncExternalStore } from "react";
import { api } from "../client";
import { queryClient } from "../query-client";
import { currentUser } from "../session";
import { LiveConnection, type LiveStatus } from "./connection";
import type { LiveEvent } from "./protocol";
import { Reads } from "./reads";

export type { LiveEvent } from "./protocol";

export const reads = new Reads(queryClient);

export const live = new LiveConnection({
  ticket: async () => {
    if (!currentUser()) return null;
    const { data } = await api.POST("/api/v1/auth/ws-ticket");
    return data?.ticket ?? null;
  },
  open: (ticket) =>
    new WebSocket(
      `${location.origin.replace(/^http/, "ws")}/api/v1/ws?ticket=${encodeURIComponent(ticket)}`,
    ),
});

export function useLiveStatus(): LiveStatus {
  return useSyncExternalStore(
    (listener) => live.onStatus(listener),
    () => live.status,
  );
}

/** Calls `onEvents` with each batch for `topics`, and `onMissed` with the time until which one may be missing. */
export function useLive(
  topics: readonly string[],
  onEvents: (events: LiveEvent[]) => void,
  onMissed: (until: number) => void,
): void {
  const latest = useRef({ onEvents, onMissed });
  useEffect(() => {
    latest.current = { onEvents, onMissed };
  });
  const key = topics.join(" ");
  useEffect(() => {
    if (!key) return;
    return live.listen(key.split(" "), {
      onEvents: (events) => latest.current.onEvents(events),
      onMissed: (until) => latest.current.onMissed(until),
    });
  }, [key]);
}
