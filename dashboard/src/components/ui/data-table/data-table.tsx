import { flexRender, getCoreRowModel, useReactTable } from "@tanstack/react-table";
import { useVirtualizer } from "@tanstack/react-virtual";
import { useId, useMemo, useRef } from "react";
import { useNavigate } from "react-router";
import { cx } from "@/lib/cx";
import { useNarrow } from "@/lib/media";
import { CardList } from "./card-list";
import { TableRow } from "./row";
import { SelectionContext, selectColumn, toggled } from "./select-column";
import type { DataTableProps } from "./types";
import { useRowKeys } from "./use-row-keys";
import { useRowPointer } from "./use-row-pointer";
import { useMoreOnScroll, useWindowWidth } from "./use-scroll";

const ROW_HEIGHT = 36;
/** Below this all rows are in the page, so that the browser's own search finds them. */
const VIRTUAL_FROM = 200;

export function DataTable<T>(props: DataTableProps<T>) {
  return useNarrow() ? <CardList {...props} /> : <Grid {...props} />;
}

function Grid<T>(props: DataTableProps<T>) {
  const { label, rows, rowId, href, hidden, selection, fill = false } = props;
  const scroller = useRef<HTMLDivElement>(null);
  const gridId = useId();
  const width = useWindowWidth();
  const navigate = useNavigate();

  const selectable = selection !== undefined;
  const columns = useMemo(() => {
    const visible = props.columns.filter(
      (column) => width >= (column.meta?.from ?? 0) && !hidden?.has(column.id ?? ""),
    );
    return selectable ? [selectColumn<T>(), ...visible] : visible;
  }, [props.columns, width, hidden, selectable]);
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
  const pointer = useRowPointer({
    onOpen: open,
    onPeek: (index) => {
      const row = rows[index];
      if (row) props.onPeek?.(row);
    },
  });
  const keys = useRowKeys({
    count: rows.length,
    scrollTo: (index) => {
      const row = scroller.current?.querySelector(`[data-row="${index}"]`);
      if (virtual) virtualizer.scrollToIndex(index);
      else row?.scrollIntoView({ block: "nearest" });
    },
    onOpen: open,
    onToggle: (index) => {
      const row = rows[index];
      if (row && selection) selection.onChange(toggled(selection.ids, rowId(row)));
    },
  });

  const indexes = virtual
    ? virtualizer.getVirtualItems().map((item) => item.index)
    : [...rows.keys()];
  const offset = virtual ? (indexes[0] ?? 0) * ROW_HEIGHT : 0;
  const grid = (
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
        {...pointer}
        className="[&>:last-child]:border-b-0"
        style={virtual ? { height: virtualizer.getTotalSize(), paddingTop: offset } : undefined}
      >
        {indexes.map((index) => {
          const row = model[index];
          return row ? (
            <TableRow
              key={row.id}
              id={`${gridId}-${index}`}
              row={row}
              index={index}
              active={index === keys.active}
              selected={selection?.ids.has(row.id) ?? false}
              clickable={href !== undefined}
              columns={columns}
              template={template}
            />
          ) : null;
        })}
      </div>
      {props.loadingMore && <p className="px-4 py-2 text-faint text-sm">Loading more…</p>}
    </div>
  );
  const ids = selection?.ids;
  const onChange = selection?.onChange;
  const state = useMemo(
    () => (ids && onChange ? { ids, onChange, loaded: rows.map(rowId) } : null),
    [ids, onChange, rows, rowId],
  );
  return state ? <SelectionContext value={state}>{grid}</SelectionContext> : grid;
}
