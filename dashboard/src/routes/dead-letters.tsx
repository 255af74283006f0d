import { useInfiniteQuery, useQueryClient } from "@tanstack/react-query";
import { MailCheck } from "lucide-react";
import { useEffect, useMemo, useState } from "react";
import { useLiveInvalidation } from "@/api/live/use-live-invalidation";
import { deadLetterKeys, deadLetterQuery, deadLettersQuery } from "@/api/queries/dead-letters";
import { flatten } from "@/api/queries/pages";
import { Button } from "@/components/ui/button";
import { DataTable, TableSkeleton } from "@/components/ui/data-table";
import { Empty, NoMatch } from "@/components/ui/feedback";
import { Input } from "@/components/ui/field";
import { Page } from "@/components/ui/page";
import { DeadLetterCard, deadLetterColumns } from "@/features/dead-letters/columns";
import { Requeue } from "@/features/dead-letters/requeue";
import { useMay } from "@/features/session/permissions";
import { Loaded } from "@/features/shared/loaded";
import { useUrlState } from "@/features/shared/use-url-state";
import { plural } from "@/lib/format";

const TYPING_MS = 350;
const REFRESH_MS = 10_000;

export default function DeadLetters() {
  const { get, set } = useUrlState();
  const taskName = get("task_name");
  const [text, setText] = useState(taskName);
  const [selected, setSelected] = useState<ReadonlySet<string>>(new Set());
  const may = useMay("deadLetters");
  const client = useQueryClient();
  const query = useInfiniteQuery(deadLettersQuery(taskName));
  const rows = useMemo(() => flatten(query.data), [query.data]);
  useLiveInvalidation(["tasks"], [deadLetterKeys.lists()], REFRESH_MS);
  useEffect(() => setText(taskName), [taskName]);
  useEffect(() => {
    if (text.trim() === taskName) return;
    const timer = setTimeout(() => set({ task_name: text.trim() }), TYPING_MS);
    return () => clearTimeout(timer);
  }, [text, taskName, set]);

  const clear = () => setSelected(new Set());
  const shown = `${query.hasNextPage ? "more than " : ""}${plural(rows.length, "dead letter")}`;
  return (
    <Page
      title="Dead letters"
      fill
      description="Tasks that used up all their attempts. They are kept for 30 days."
      actions={
        may &&
        rows.length > 0 && (
          <Requeue
            which={taskName ? { task_name: taskName } : {}}
            label={taskName ? "Requeue all that match" : "Requeue all"}
            question={taskName ? `Requeue ${shown} named ${taskName}?` : `Requeue ${shown}?`}
          />
        )
      }
    >
      <Input
        type="search"
        data-filter
        aria-label="Task name"
        placeholder="Task name"
        value={text}
        onChange={(event) => setText(event.target.value)}
        className="max-w-64 shrink-0"
      />
      <div className="flex min-h-0 flex-col overflow-hidden rounded-lg border max-md:-mx-4 max-md:rounded-none max-md:border-x-0">
        {selected.size > 0 && (
          <div className="flex flex-wrap items-center gap-2 border-b bg-subtle px-4 py-1.5 text-sm">
            <span className="mr-2 font-medium">
              {plural(selected.size, "dead letter")} selected
            </span>
            <Requeue
              small
              which={{ dlq_ids: [...selected] }}
              label={`Requeue ${selected.size}`}
              question={`Requeue ${plural(selected.size, "dead letter")}?`}
              onDone={clear}
            />
            <Button size="sm" variant="ghost" onClick={clear}>
              Clear selection
            </Button>
          </div>
        )}
        <Loaded query={query} skeleton={<TableSkeleton rows={10} />}>
          {() =>
            rows.length > 0 ? (
              <DataTable
                key={taskName}
                label="Dead letters"
                fill
                rows={rows}
                columns={deadLetterColumns}
                rowId={(letter) => letter.dlq_id}
                href={(letter) => `/dead-letters/${letter.dlq_id}`}
                onPeek={(letter) => void client.prefetchQuery(deadLetterQuery(letter.dlq_id))}
                card={(letter) => <DeadLetterCard letter={letter} />}
                selection={may ? { ids: selected, onChange: setSelected } : undefined}
                hasMore={query.hasNextPage}
                loadingMore={query.isFetchingNextPage}
                onMore={() => void query.fetchNextPage()}
              />
            ) : taskName ? (
              <NoMatch onClear={() => set({ task_name: null })} />
            ) : (
              <Empty icon={MailCheck} title="No dead letters">
                Every task has finished or is still being tried. One that fails six times in a row
                would wait here, with its reason and stack trace, until you requeue it.
              </Empty>
            )
          }
        </Loaded>
      </div>
    </Page>
  );
}
