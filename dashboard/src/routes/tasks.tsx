import { useInfiniteQuery, useQuery, useQueryClient } from "@tanstack/react-query";
import { ArrowUp, ListChecks } from "lucide-react";
import { useMemo, useState } from "react";
import { flatten } from "@/api/queries/pages";
import { statsQuery } from "@/api/queries/stats";
import { taskQuery, tasksQuery } from "@/api/queries/tasks";
import type { Task } from "@/api/types";
import { Button } from "@/components/ui/button";
import { Command } from "@/components/ui/copy";
import { DataTable, TableSkeleton } from "@/components/ui/data-table";
import { Empty, NoMatch } from "@/components/ui/feedback";
import { Page } from "@/components/ui/page";
import { useMay } from "@/features/session/permissions";
import { Loaded } from "@/features/shared/loaded";
import { useUrlState } from "@/features/shared/use-url-state";
import { ColumnMenu, useHiddenColumns } from "@/features/tasks/column-menu";
import { TaskCard, taskColumns } from "@/features/tasks/columns";
import { filterKeys, toTaskFilter } from "@/features/tasks/filters";
import { SelectionBar } from "@/features/tasks/selection-bar";
import { TaskFilters } from "@/features/tasks/task-filters";
import { useLiveTasks } from "@/features/tasks/use-live-tasks";

const LOOK_EVERY_MS = 10_000;

const rowId = (task: Task) => task.task_id;
const href = (task: Task) => `/tasks/${task.task_id}`;

export default function Tasks() {
  const { get, set, search } = useUrlState();
  const client = useQueryClient();
  const may = useMay("tasks");
  const [hidden, toggleColumn] = useHiddenColumns();
  const [selectedIds, setSelectedIds] = useState<ReadonlySet<string>>(new Set());
  // biome-ignore lint/correctness/useExhaustiveDependencies: the address is what the filter is read from
  const filter = useMemo(() => toTaskFilter(get, Date.now()), [search]);
  const options = useMemo(() => tasksQuery(filter), [filter]);
  const query = useInfiniteQuery({
    ...options,
    // Ends are events; new tasks and those that begin are only to be found out. Who has scrolled down is left in peace.
    refetchInterval: ({ state }) => (state.data?.pages.length === 1 ? LOOK_EVERY_MS : false),
  });
  const stats = useQuery(statsQuery());
  const { stale, refresh } = useLiveTasks(options.queryKey);

  const rows = useMemo(() => flatten(query.data), [query.data]);
  const filtered = filterKeys.some((key) => get(key));
  const clear = () => set(Object.fromEntries(filterKeys.map((key) => [key, null])));

  return (
    <Page
      title="Tasks"
      fill
      actions={
        <>
          {stale && (
            <Button onClick={refresh}>
              <ArrowUp aria-hidden size={14} />
              Show newer tasks
            </Button>
          )}
          <ColumnMenu hidden={hidden} onToggle={toggleColumn} />
        </>
      }
    >
      <TaskFilters
        get={get}
        set={set}
        queues={stats.data?.tasks.queues.map((queue) => queue.queue) ?? []}
      />
      <div className="flex min-h-0 flex-col overflow-hidden rounded-lg border max-md:-mx-4 max-md:rounded-none max-md:border-x-0">
        <SelectionBar
          key={search}
          rows={rows}
          ids={selectedIds}
          filter={filter}
          hasMore={query.hasNextPage}
          onClear={() => setSelectedIds(new Set())}
        />
        <Loaded query={query} skeleton={<TableSkeleton rows={18} />}>
          {() =>
            rows.length > 0 ? (
              <DataTable
                key={search}
                label="Tasks"
                fill
                rows={rows}
                columns={taskColumns}
                hidden={hidden}
                rowId={rowId}
                href={href}
                onPeek={(task) => void client.prefetchQuery(taskQuery(task.task_id))}
                card={(task) => <TaskCard task={task} />}
                selection={may ? { ids: selectedIds, onChange: setSelectedIds } : undefined}
                hasMore={query.hasNextPage}
                loadingMore={query.isFetchingNextPage}
                onMore={() => void query.fetchNextPage()}
              />
            ) : filtered ? (
              <NoMatch onClear={clear} />
            ) : (
              <NoTasks />
            )
          }
        </Loaded>
      </div>
    </Page>
  );
}

function NoTasks() {
  return (
    <Empty
      icon={ListChecks}
      title="No task has been submitted yet"
      action={
        <div className="w-full">
          <Command>taskflow task submit taskflow.echo message=hello --wait</Command>
        </div>
      }
    >
      Submit one from a terminal, from Python or over HTTP. It shows up here at once.
    </Empty>
  );
}
