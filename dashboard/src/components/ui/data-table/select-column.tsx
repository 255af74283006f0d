import type { Column, Selection } from "./types";

export const checkboxClass = "size-3.5 accent-(--accent) align-middle";

/** The column of checkboxes; the one in the header takes or drops all loaded rows. */
export function selectColumn<T>(
  selection: Selection,
  rows: T[],
  rowId: (row: T) => string,
): Column<T> {
  const all = rows.length > 0 && rows.every((row) => selection.ids.has(rowId(row)));
  return {
    id: "select",
    header: () => (
      <input
        type="checkbox"
        aria-label="Select all loaded rows"
        className={checkboxClass}
        checked={all}
        onChange={() => selection.onChange(new Set(all ? [] : rows.map(rowId)))}
      />
    ),
    cell: ({ row }) => {
      const id = rowId(row.original);
      return (
        <input
          type="checkbox"
          aria-label="Select row"
          tabIndex={-1}
          className={checkboxClass}
          checked={selection.ids.has(id)}
          onChange={() => selection.onChange(toggled(selection.ids, id))}
        />
      );
    },
    meta: { width: "30px" },
  };
}

export function toggled(ids: ReadonlySet<string>, id: string): ReadonlySet<string> {
  const next = new Set(ids);
  if (!next.delete(id)) next.add(id);
  return next;
}
