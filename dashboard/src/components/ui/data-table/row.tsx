import { flexRender, type Row } from "@tanstack/react-table";
import { memo } from "react";
import { cx } from "@/lib/cx";

interface TableRowProps<T> {
  row: Row<T>;
  index: number;
  /** Named by the grid as its active one. */
  id: string;
  active: boolean;
  selected: boolean;
  clickable: boolean;
  /** What the cells are made from; another object means other cells. */
  columns: unknown;
  template: string;
}

function PlainRow<T>({ row, index, id, active, selected, clickable, template }: TableRowProps<T>) {
  return (
    <div
      role="row"
      aria-rowindex={index + 2}
      aria-selected={selected}
      id={id}
      data-row={index}
      className={cx(
        "grid h-9 items-center border-b px-4 text-sm -outline-offset-2",
        active && "outline-(--ring) group-focus-visible/grid:outline-2",
        clickable && "cursor-pointer",
        selected ? "bg-active [&_.text-faint]:text-muted" : "hover:bg-hover",
      )}
      style={{ gridTemplateColumns: template }}
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

/** A live page renders its table many times a second; a row does so only when something of it has changed. */
export const TableRow = memo(
  PlainRow,
  (a, b) =>
    a.row.original === b.row.original &&
    a.index === b.index &&
    a.active === b.active &&
    a.selected === b.selected &&
    a.columns === b.columns &&
    a.template === b.template,
) as typeof PlainRow;
