import { type KeyboardEvent, type RefObject, useEffect, useRef, useState } from "react";

const PAGE_STEP = 12;

interface RowKeys {
  count: number;
  container: RefObject<HTMLElement | null>;
  scrollTo: (index: number) => void;
  onOpen: (index: number) => void;
  onToggle?: (index: number) => void;
}

/** Up, down, j, k, Home, End and the page keys move; Enter opens; x or space selects. */
export function useRowKeys({ count, container, scrollTo, onOpen, onToggle }: RowKeys) {
  const [active, setActive] = useState(0);
  const moved = useRef(false);
  const current = Math.min(active, Math.max(count - 1, 0));

  useEffect(() => {
    if (!moved.current) return;
    moved.current = false;
    // The virtual list may need a frame to bring the row into being.
    const frame = requestAnimationFrame(() =>
      container.current
        ?.querySelector<HTMLElement>(`[data-row="${current}"]`)
        ?.focus({ preventScroll: true }),
    );
    return () => cancelAnimationFrame(frame);
  }, [current, container]);

  const move = (to: number) => {
    const next = Math.max(0, Math.min(to, count - 1));
    moved.current = true;
    setActive(next);
    scrollTo(next);
  };

  const steps: Record<string, () => void> = {
    ArrowDown: () => move(current + 1),
    j: () => move(current + 1),
    ArrowUp: () => move(current - 1),
    k: () => move(current - 1),
    PageDown: () => move(current + PAGE_STEP),
    PageUp: () => move(current - PAGE_STEP),
    Home: () => move(0),
    End: () => move(count - 1),
    Enter: () => onOpen(current),
    x: () => onToggle?.(current),
    " ": () => onToggle?.(current),
  };

  const onKeyDown = (event: KeyboardEvent<HTMLElement>) => {
    const target = event.target as HTMLElement;
    if (!target.hasAttribute("data-row") || event.metaKey || event.ctrlKey || event.altKey) return;
    const step = steps[event.key];
    if (!step) return;
    event.preventDefault();
    step();
  };

  return { active: current, setActive, onKeyDown };
}
