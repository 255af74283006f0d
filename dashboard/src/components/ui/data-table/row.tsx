import { flexRender, type Row } from "@tanstack/react-table";
import type { CSSProperties, MouseEvent } from "react";
import { cx } from "@/lib/cx";

interface TableRowProps<T> {
  row: Row<T>;
  index: number;
  /** Named by the grid as its active one. */
  id: string;
  active: boolean;
  selected: boolean;
  clickable: boolean;
  style: CSSProperties;
  onOpen: (event: MouseEvent) => void;
  onPeekStart: () => void;
  onPeekEnd: () => void;
}

/** Clicks on what a row contains belong to it, not to the row. */
function isInner(event: MouseEvent): boolean {
  return (event.target as HTMLElement).closest("a, button, input, label") !== null;
}

export function TableRow<T>(props: TableRowProps<T>) {
  const { row, index, active, selected, clickable, style } = props;
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: the grid handles Enter for the focused row
    <div
      role="row"
      aria-rowindex={index + 2}
      aria-selected={selected}
      id={props.id}
      data-row={index}
      onMouseEnter={props.onPeekStart}
      onMouseLeave={props.onPeekEnd}
      onClick={(event) => !isInner(event) && props.onOpen(event)}
      className={cx(
        "grid h-9 items-center border-b px-4 text-sm -outline-offset-2",
        active && "outline-(--ring) group-focus-visible/grid:outline-2",
        clickable && "cursor-pointer",
        selected ? "bg-active" : "hover:bg-hover",
      )}
      style={style}
    >
      {row.getVisibleCells().map((cell) => (
        <div
          key={cell.id}
          role="gridcell"
          className={cx(
            "min-w-0 truncate pr-4 last:pr-0",
            cell.column.columnDef.meta?.align === "end" && "text-right",
          )}
        >
          {flexRender(cell.column.columnDef.cell, cell.getContext())}
        </div>
      ))}
    </div>
  );
}
