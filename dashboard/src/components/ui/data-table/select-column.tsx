import { createContext, useContext } from "react";
import type { Column, Selection } from "./types";

export const checkboxClass = "size-3.5 accent-(--accent) align-middle";

interface SelectionState extends Selection {
  /** Of all loaded rows. */
  loaded: string[];
}

const nothing: SelectionState = { ids: new Set(), onChange: () => undefined, loaded: [] };

/** A context, so that ticking one row renders checkboxes and not the whole table. */
export const SelectionContext = createContext<SelectionState>(nothing);

export function toggled(ids: ReadonlySet<string>, id: string): ReadonlySet<string> {
  const next = new Set(ids);
  if (!next.delete(id)) next.add(id);
  return next;
}

function SelectAll() {
  const { ids, onChange, loaded } = useContext(SelectionContext);
  const all = loaded.length > 0 && loaded.every((id) => ids.has(id));
  return (
    <input
      type="checkbox"
      aria-label="Select all loaded rows"
      className={checkboxClass}
      checked={all}
      onChange={() => onChange(new Set(all ? [] : loaded))}
    />
  );
}

function SelectOne({ id }: { id: string }) {
  const { ids, onChange } = useContext(SelectionContext);
  return (
    <input
      type="checkbox"
      aria-label="Select row"
      tabIndex={-1}
      className={checkboxClass}
      checked={ids.has(id)}
      onChange={() => onChange(toggled(ids, id))}
    />
  );
}

const column: Column<unknown> = {
  id: "select",
  header: () => <SelectAll />,
  cell: ({ row }) => <SelectOne id={row.id} />,
  meta: { width: "30px" },
};

/** The column of checkboxes; the one in the header takes or drops all loaded rows. */
export function selectColumn<T>(): Column<T> {
  return column as Column<T>;
}
