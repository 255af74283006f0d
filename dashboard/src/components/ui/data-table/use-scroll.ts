import { type RefObject, useEffect, useSyncExternalStore } from "react";

const AHEAD_PX = 900;

interface More {
  rows: unknown[];
  fill?: boolean;
  hasMore?: boolean;
  loadingMore?: boolean;
  onMore?: () => void;
}

/** Asks for the next page well before the end is in sight, and again while the list does not fill its frame. */
export function useMoreOnScroll(scroller: RefObject<HTMLElement | null>, more: More): () => void {
  const { rows, fill, hasMore, loadingMore, onMore } = more;
  const check = () => {
    const element = scroller.current;
    if (!element || !fill || !hasMore || loadingMore) return;
    if (element.scrollHeight - element.scrollTop - element.clientHeight < AHEAD_PX) onMore?.();
  };
  // biome-ignore lint/correctness/useExhaustiveDependencies: runs when another page has arrived
  useEffect(check, [rows.length, hasMore, loadingMore]);
  return check;
}

function subscribe(listener: () => void): () => void {
  window.addEventListener("resize", listener);
  return () => window.removeEventListener("resize", listener);
}

export function useWindowWidth(): number {
  return useSyncExternalStore(subscribe, () => window.innerWidth);
}
