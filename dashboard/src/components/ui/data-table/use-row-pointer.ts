import { type MouseEvent, useEffect, useRef } from "react";

const PEEK_AFTER_MS = 90;

function rowUnder(event: MouseEvent): number | null {
  const row = (event.target as HTMLElement).closest<HTMLElement>("[data-row]");
  return row ? Number(row.dataset.row) : null;
}

/** Clicks on what a row contains belong to it, not to the row. */
function isInner(event: MouseEvent): boolean {
  return (event.target as HTMLElement).closest("a, button, input, label") !== null;
}

interface RowPointer {
  onOpen: (index: number, newTab: boolean) => void;
  onPeek: (index: number) => void;
}

/** Clicks and hovers, heard once for all rows: a row has no handlers that could grow old. */
export function useRowPointer({ onOpen, onPeek }: RowPointer) {
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  const over = useRef<number | null>(null);
  useEffect(() => () => clearTimeout(timer.current), []);
  const rest = (index: number | null) => {
    if (index === over.current) return;
    over.current = index;
    clearTimeout(timer.current);
    if (index !== null) timer.current = setTimeout(() => onPeek(index), PEEK_AFTER_MS);
  };
  return {
    onClick: (event: MouseEvent) => {
      const index = rowUnder(event);
      if (index !== null && !isInner(event)) onOpen(index, event.metaKey || event.ctrlKey);
    },
    onMouseOver: (event: MouseEvent) => rest(rowUnder(event)),
    onMouseLeave: () => rest(null),
  };
}
