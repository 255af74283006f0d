import { useVirtualizer } from "@tanstack/react-virtual";
import { useRef } from "react";
import { Link } from "react-router";
import { cx } from "@/lib/cx";
import type { DataTableProps } from "./types";
import { useMoreOnScroll } from "./use-scroll";

/** The table on a phone: one card a row, the whole of it a link. */
export function CardList<T>(props: DataTableProps<T>) {
  const { label, rows, rowId, href, card, cardHeight = 64, fill = false } = props;
  const scroller = useRef<HTMLDivElement>(null);
  const virtualizer = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => cardHeight,
    overscan: 8,
    enabled: fill,
  });
  const checkMore = useMoreOnScroll(scroller, props);
  const items = virtualizer.getVirtualItems();
  const indexes = fill ? items.map((item) => item.index) : [...rows.keys()];

  return (
    <div ref={scroller} onScroll={checkMore} className={cx(fill && "min-h-0 overflow-y-auto")}>
      <ul
        aria-label={label}
        style={
          fill
            ? { height: virtualizer.getTotalSize(), paddingTop: (indexes[0] ?? 0) * cardHeight }
            : undefined
        }
      >
        {indexes.map((index) => {
          const row = rows[index];
          if (!row) return null;
          const inner = "flex flex-col justify-center gap-1 border-b px-4 py-2";
          return (
            <li key={rowId(row)} style={{ height: cardHeight }} className="flex flex-col">
              {href ? (
                <Link
                  to={href(row)}
                  className={cx(inner, "h-full active:bg-hover focus-visible:-outline-offset-2")}
                >
                  {card(row)}
                </Link>
              ) : (
                <div className={cx(inner, "h-full")}>{card(row)}</div>
              )}
            </li>
          );
        })}
      </ul>
      {props.loadingMore && <p className="px-4 py-2 text-faint text-sm">Loading more…</p>}
    </div>
  );
}
