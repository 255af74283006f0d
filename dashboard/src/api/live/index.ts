/** The live connection of this tab and the hooks that listen to it. */
import { useEffect, useRef, useSyncExternalStore } from "react";
import { api } from "../client";
import { currentUser } from "../session";
import { LiveConnection, type LiveStatus } from "./connection";
import type { LiveEvent } from "./protocol";

export type { LiveEvent } from "./protocol";

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

/** Calls `onEvents` with each batch for `topics`, and `onResync` when a batch was missed. */
export function useLive(
  topics: readonly string[],
  onEvents: (events: LiveEvent[]) => void,
  onResync: () => void,
): void {
  const latest = useRef({ onEvents, onResync });
  useEffect(() => {
    latest.current = { onEvents, onResync };
  });
  const key = topics.join(" ");
  useEffect(() => {
    if (!key) return;
    return live.listen(key.split(" "), {
      onEvents: (events) => latest.current.onEvents(events),
      onResync: () => latest.current.onResync(),
    });
  }, [key]);
}
