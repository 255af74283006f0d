import { flexRender, getCoreRowModel, useReactTable } from "@tanstack/react-table";
import { useVirtualizer } from "@tanstack/react-virtual";
import { useEffect, useId, useMemo, useRef } from "react";
import { useNavigate } from "react-router";
import { cx } from "@/lib/cx";
import { useNarrow } from "@/lib/media";
import { CardList } from "./card-list";
import { TableRow } from "./row";
import { selectColumn, toggled } from "./select-column";
import type { DataTableProps } from "./types";
import { useRowKeys } from "./use-row-keys";
import { useMoreOnScroll, useWindowWidth } from "./use-scroll";

const ROW_HEIGHT = 36;
const PEEK_AFTER_MS = 90;
/** Below this all rows are in the page, so that the browser's own search finds them. */
const VIRTUAL_FROM = 200;

export function DataTable<T>(props: DataTableProps<T>) {
  return useNarrow() ? <CardList {...props} /> : <Grid {...props} />;
}

function Grid<T>(props: DataTableProps<T>) {
  const { label, rows, rowId, href, hidden, selection, fill = false } = props;
  const scroller = useRef<HTMLDivElement>(null);
  const peek = useRef<ReturnType<typeof setTimeout>>(undefined);
  const gridId = useId();
  const width = useWindowWidth();
  const navigate = useNavigate();

  const columns = useMemo(() => {
    const visible = props.columns.filter(
      (column) => width >= (column.meta?.from ?? 0) && !hidden?.has(column.id ?? ""),
    );
    return selection ? [selectColumn(selection, rows, rowId), ...visible] : visible;
  }, [props.columns, width, hidden, selection, rows, rowId]);
  const table = useReactTable({
    data: rows,
    columns,
    getRowId: rowId,
    getCoreRowModel: getCoreRowModel(),
  });
  const model = table.getRowModel().rows;
  const template = columns.map((column) => column.meta?.width ?? "minmax(0,1fr)").join(" ");

  const virtual = fill && rows.length > VIRTUAL_FROM;
  const virtualizer = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => ROW_HEIGHT,
    overscan: 12,
    scrollPaddingStart: ROW_HEIGHT,
    enabled: virtual,
  });
  const checkMore = useMoreOnScroll(scroller, props);

  const open = (index: number, newTab = false) => {
    const row = rows[index];
    if (!row || !href) return;
    if (newTab) window.open(href(row), "_blank", "noopener");
    else navigate(href(row));
  };
  const keys = useRowKeys({
    count: rows.length,
    scrollTo: (index) => {
      if (virtual) virtualizer.scrollToIndex(index);
      else
        scroller.current
          ?.querySelector(`[data-row="${index}"]`)
          ?.scrollIntoView({ block: "nearest" });
    },
    onOpen: open,
    onToggle: (index) => {
      const row = rows[index];
      if (row && selection) selection.onChange(toggled(selection.ids, rowId(row)));
    },
  });
  useEffect(() => () => clearTimeout(peek.current), []);

  const indexes = virtual
    ? virtualizer.getVirtualItems().map((item) => item.index)
    : [...rows.keys()];
  const offset = virtual ? (indexes[0] ?? 0) * ROW_HEIGHT : 0;
  return (
    <div
      ref={scroller}
      role="grid"
      aria-label={label}
      aria-rowcount={rows.length + 1}
      onScroll={checkMore}
      onKeyDown={keys.onKeyDown}
      tabIndex={0}
      aria-activedescendant={rows.length > 0 ? `${gridId}-${keys.active}` : undefined}
      className={cx("group/grid outline-none", fill && "min-h-0 overflow-y-auto")}
    >
      <div role="rowgroup" className="sticky top-0 z-10 bg-bg">
        <div
          role="row"
          aria-rowindex={1}
          className="grid h-9 items-center border-b px-4 text-faint text-xs"
          style={{ gridTemplateColumns: template }}
        >
          {table.getFlatHeaders().map((header) => (
            <div
              key={header.id}
              role="columnheader"
              className={cx(
                "truncate pr-4 last:pr-0",
                header.column.columnDef.meta?.align === "end" && "text-right",
              )}
            >
              {flexRender(header.column.columnDef.header, header.getContext())}
            </div>
          ))}
        </div>
      </div>
      <div
        role="rowgroup"
        className="[&>:last-child]:border-b-0"
        style={virtual ? { height: virtualizer.getTotalSize(), paddingTop: offset } : undefined}
      >
        {indexes.map((index) => {
          const row = model[index];
          if (!row) return null;
          return (
            <TableRow
              key={row.id}
              row={row}
              index={index}
              active={index === keys.active}
              selected={selection?.ids.has(row.id) ?? false}
              clickable={href !== undefined}
              style={{ gridTemplateColumns: template }}
              onOpen={(event) => open(index, event.metaKey || event.ctrlKey)}
              id={`${gridId}-${index}`}
              onPeekStart={() => {
                peek.current = setTimeout(() => props.onPeek?.(row.original), PEEK_AFTER_MS);
              }}
              onPeekEnd={() => clearTimeout(peek.current)}
            />
          );
        })}
      </div>
      {props.loadingMore && <p className="px-4 py-2 text-faint text-sm">Loading more…</p>}
    </div>
  );
}
