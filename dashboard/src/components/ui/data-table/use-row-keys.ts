import { type KeyboardEvent, useState } from "react";

const PAGE_STEP = 12;

interface RowKeys {
  count: number;
  scrollTo: (index: number) => void;
  onOpen: (index: number) => void;
  onToggle?: (index: number) => void;
}

/**
 * Up, down, j, k, Home, End and the page keys move; Enter opens; x or space selects.
 *
 * The focus stays on the grid, which names its active row (`aria-activedescendant`): a row of a virtual list may leave
 * the page at any moment and would take the focus with it.
 */
export function useRowKeys({ count, scrollTo, onOpen, onToggle }: RowKeys) {
  const [active, setActive] = useState(0);
  const current = Math.min(active, Math.max(count - 1, 0));

  const move = (to: number) => {
    const next = Math.max(0, Math.min(to, count - 1));
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
    if (event.target !== event.currentTarget) return;
    if (event.metaKey || event.ctrlKey || event.altKey) return;
    const step = steps[event.key];
    if (!step) return;
    event.preventDefault();
    step();
  };

  return { active: current, onKeyDown };
}
