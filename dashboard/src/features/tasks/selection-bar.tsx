import { useState } from "react";
import type { TaskFilter } from "@/api/queries/tasks";
import type { Task } from "@/api/types";
import { Button } from "@/components/ui/button";
import { plural } from "@/lib/format";
import { BulkActions } from "./bulk-actions";
import { MatchingActions } from "./matching-actions";

interface SelectionBarProps {
  rows: Task[];
  ids: ReadonlySet<string>;
  filter: TaskFilter;
  hasMore: boolean;
  onClear: () => void;
}

/** What can be done with the selected rows or, once all that are loaded are selected, with all that match the filter. */
export function SelectionBar({ rows, ids, filter, hasMore, onClear }: SelectionBarProps) {
  // Holds for this selection only: who changes a tick means single rows again.
  const [extended, setExtended] = useState<ReadonlySet<string> | null>(null);
  const selected = rows.filter((task) => ids.has(task.task_id));
  if (selected.length === 0) return null;
  const all = extended === ids;
  const shown = `${hasMore ? "more than " : ""}${plural(rows.length, "task")}`;
  return (
    <div className="flex flex-wrap items-center gap-2 border-b bg-subtle px-4 py-1.5 text-sm">
      <span className="mr-2 font-medium">
        {all ? `All that match, ${shown}, selected` : `${plural(selected.length, "task")} selected`}
      </span>
      {all ? (
        <MatchingActions filter={filter} shown={shown} onDone={onClear} />
      ) : (
        <BulkActions selected={selected} onDone={onClear} />
      )}
      {!all && selected.length === rows.length && hasMore && (
        <Button size="sm" variant="ghost" onClick={() => setExtended(ids)}>
          Select all that match
        </Button>
      )}
      <Button size="sm" variant="ghost" onClick={onClear}>
        Clear selection
      </Button>
    </div>
  );
}
