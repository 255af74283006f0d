import { useQuery } from "@tanstack/react-query";
import { Server } from "lucide-react";
import { useLiveInvalidation } from "@/api/live/use-live-invalidation";
import { workerKeys, workersQuery } from "@/api/queries/workers";
import { Command } from "@/components/ui/copy";
import { DataTable, TableSkeleton } from "@/components/ui/data-table";
import { Empty } from "@/components/ui/feedback";
import { Page } from "@/components/ui/page";
import { Loaded } from "@/features/shared/loaded";
import { useUrlState } from "@/features/shared/use-url-state";
import { WorkerCard, workerColumns } from "@/features/workers/worker-columns";
import { WorkerDrawer } from "@/features/workers/worker-drawer";
import { plural } from "@/lib/format";

const REFRESH_MS = 3_000;

export default function Workers() {
  const { get, set } = useUrlState();
  const query = useQuery(workersQuery());
  useLiveInvalidation(["workers"], [workerKeys.all], REFRESH_MS);
  const workers = query.data?.items ?? [];
  const alive = workers.filter((worker) => worker.status !== "DEAD");
  const slots = alive.reduce((sum, worker) => sum + worker.capacity, 0);
  const busy = alive.reduce((sum, worker) => sum + worker.current_load, 0);
  return (
    <Page
      title="Workers"
      fill
      description={
        workers.length > 0
          ? `${plural(alive.length, "worker")} running, ${busy} of ${slots} slots busy`
          : undefined
      }
    >
      <div className="flex min-h-0 flex-col overflow-hidden rounded-lg border max-md:-mx-4 max-md:rounded-none max-md:border-x-0">
        <Loaded query={query} skeleton={<TableSkeleton rows={4} />}>
          {(data) =>
            data.items.length > 0 ? (
              <DataTable
                label="Workers"
                fill
                rows={data.items}
                columns={workerColumns}
                rowId={(worker) => worker.worker_id}
                href={(worker) => `?worker=${worker.worker_id}`}
                card={(worker) => <WorkerCard worker={worker} />}
              />
            ) : (
              <Empty
                icon={Server}
                title="No worker is running"
                action={
                  <div className="w-full">
                    <Command>taskflow worker --processes 2</Command>
                  </div>
                }
              >
                Tasks wait safely in the database until one starts.
              </Empty>
            )
          }
        </Loaded>
      </div>
      <WorkerDrawer
        worker={workers.find((worker) => worker.worker_id === get("worker"))}
        onClose={() => set({ worker: null })}
      />
    </Page>
  );
}
