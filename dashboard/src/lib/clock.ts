/** One ticking clock for every relative time on the page; it stops while nobody looks. */
import { useSyncExternalStore } from "react";
import { relativeTime } from "./format";

const TICK_MS = 1_000;
let now = Date.now();
let timer: ReturnType<typeof setInterval> | undefined;
const listeners = new Set<() => void>();

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  timer ??= setInterval(() => {
    if (document.hidden) return;
    now = Date.now();
    for (const each of listeners) each();
  }, TICK_MS);
  return () => {
    listeners.delete(listener);
    if (listeners.size === 0) {
      clearInterval(timer);
      timer = undefined;
    }
  };
}

/** Milliseconds since the epoch, a new value each second. */
export function useNow(): number {
  return useSyncExternalStore(subscribe, () => now);
}

/** "4 min ago"; renders again only when the words change, not each second. */
export function useRelativeTime(iso: string): string {
  return useSyncExternalStore(subscribe, () =>
    relativeTime(iso, Math.max(now, Date.now() - TICK_MS)),
  );
}
