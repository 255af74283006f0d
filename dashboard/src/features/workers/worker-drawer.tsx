import { Pause, Play } from "lucide-react";
import type { ReactNode } from "react";
import { setWorkerPaused, workerKeys } from "@/api/queries/workers";
import type { Worker } from "@/api/types";
import { Button } from "@/components/ui/button";
import { CopyId } from "@/components/ui/copy";
import { Dialog } from "@/components/ui/dialog";
import { Properties } from "@/components/ui/panel";
import { State } from "@/components/ui/state";
import { Time } from "@/components/ui/time";
import { useMay } from "@/features/session/permissions";
import { useAction } from "@/features/shared/use-action";
import { workerState } from "@/lib/states";
import { Load } from "./worker-columns";

export function WorkerDrawer({
  worker,
  onClose,
}: {
  worker: Worker | undefined;
  onClose: () => void;
}) {
  return (
    <Dialog
      open={worker !== undefined}
      onClose={onClose}
      as="drawer"
      title={worker?.hostname ?? ""}
    >
      {worker && <Content worker={worker} />}
    </Dialog>
  );
}

function Ids({ ids }: { ids: string[] }) {
  return (
    <span className="-ml-1 flex flex-wrap gap-x-2">
      {ids.map((id) => (
        <CopyId key={id} id={id} />
      ))}
    </span>
  );
}

function Content({ worker }: { worker: Worker }) {
  const may = useMay("workers");
  const pause = useAction({
    run: (paused: boolean) => setWorkerPaused(worker.worker_id, paused),
    done: (_, paused) => (paused ? "Worker takes no new tasks" : "Worker takes tasks again"),
    touches: [workerKeys.all],
  });
  const facts: [string, ReactNode][] = [
    ["Status", <State key="s" kind="worker" status={workerState(worker)} />],
    ["Load", <Load key="l" worker={worker} />],
    ["Queues", worker.queues.length > 0 ? worker.queues.join(", ") : "all"],
    ["Heartbeat", <Time key="h" iso={worker.last_heartbeat} className="" />],
    ["Registered", <Time key="r" iso={worker.registered_at} className="" />],
    ["Id", <CopyId key="i" id={worker.worker_id} className="-ml-1" />],
    ...Object.entries(worker.metadata).map(([key, value]): [string, ReactNode] => [
      key.charAt(0).toUpperCase() + key.slice(1).replaceAll("_", " "),
      Array.isArray(value) ? (
        <Ids key={key} ids={value.map(String)} />
      ) : typeof value === "object" ? (
        JSON.stringify(value)
      ) : (
        String(value)
      ),
    ]),
  ];
  const paused = worker.status === "PAUSED";
  return (
    <div className="flex flex-col gap-6">
      {may && worker.status !== "DEAD" && (
        <div className="flex items-center gap-3">
          <Button busy={pause.isPending} onClick={() => pause.mutate(!paused)}>
            {paused ? <Play aria-hidden size={14} /> : <Pause aria-hidden size={14} />}
            {paused ? "Resume" : "Pause"}
          </Button>
          <p className="text-muted text-sm">
            {paused
              ? "It takes no new tasks."
              : "A paused worker finishes what it runs and takes nothing new."}
          </p>
        </div>
      )}
      {workerState(worker) === "DEAD" && (
        <p className="rounded-md bg-failed-bg px-3 py-2 text-failed-fg text-sm">
          It has not been heard of for 30 seconds. Its tasks went back to their queues; nothing is
          left to do here.
        </p>
      )}
      <Properties items={facts} />
    </div>
  );
}
