import type { ColumnDef, RowData } from "@tanstack/react-table";
import type { ReactNode } from "react";

declare module "@tanstack/react-table" {
  interface ColumnMeta<TData extends RowData, TValue> {
    /** A track of `grid-template-columns`. */
    width?: string;
    align?: "end";
    /** The window width in pixels below which the column gives way. */
    from?: number;
    /** Keeps both parameters of the merged interface in use. */
    readonly types?: [TData, TValue];
  }
}

// biome-ignore lint/suspicious/noExplicitAny: a column's value type differs from column to column
export type Column<T> = ColumnDef<T, any>;

export interface Selection {
  ids: ReadonlySet<string>;
  onChange: (ids: ReadonlySet<string>) => void;
}

export interface DataTableProps<T> {
  label: string;
  rows: T[];
  columns: Column<T>[];
  rowId: (row: T) => string;
  /** Where a row leads. */
  href?: (row: T) => string;
  /** The pointer rests on a row: time to fetch what a click will show. */
  onPeek?: (row: T) => void;
  /** A row on a phone. */
  card: (row: T) => ReactNode;
  /** Height of a card in px, for the virtual list. */
  cardHeight?: number;
  hidden?: ReadonlySet<string>;
  selection?: Selection;
  hasMore?: boolean;
  loadingMore?: boolean;
  onMore?: () => void;
  /** Scrolls inside itself and takes the height it is given; else it is as tall as its rows. */
  fill?: boolean;
}
