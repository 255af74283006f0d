import { useQuery } from "@tanstack/react-query";
import { Link, useParams } from "react-router";
import { deadLetterQuery } from "@/api/queries/dead-letters";
import { Code, Json } from "@/components/ui/code";
import { CopyId } from "@/components/ui/copy";
import { Skeleton } from "@/components/ui/feedback";
import { Page } from "@/components/ui/page";
import { Panel, Properties } from "@/components/ui/panel";
import { Time } from "@/components/ui/time";
import { Requeue } from "@/features/dead-letters/requeue";
import { useMay } from "@/features/session/permissions";
import { Loaded } from "@/features/shared/loaded";

const back = { to: "/dead-letters", label: "Dead letters" };

export default function DeadLetterPage() {
  const { dlqId = "" } = useParams();
  const may = useMay("deadLetters");
  const query = useQuery(deadLetterQuery(dlqId));
  const letter = query.data;
  return (
    <Page
      title={letter?.task_name ?? "Dead letter"}
      back={back}
      actions={
        may &&
        letter && (
          <Requeue
            primary
            ask={false}
            which={{ dlq_ids: [letter.dlq_id] }}
            label={letter.requeued_at ? "Requeue again" : "Requeue"}
            question=""
          />
        )
      }
    >
      <Loaded query={query} skeleton={<Skeleton className="h-96" />}>
        {(data) => (
          <div className="grid items-start gap-4 lg:grid-cols-[minmax(0,1fr)_20rem]">
            <div className="flex min-w-0 flex-col gap-4">
              <Panel title="Why it gave up">
                <p className="break-words font-medium text-failed-fg text-sm">
                  {data.failure_reason}
                </p>
                {data.stack_trace && (
                  <Code text={data.stack_trace} label="stack trace" className="mt-3" />
                )}
              </Panel>
              <Panel title="The task as it was">
                <Json value={data.task_data} label="task data" />
              </Panel>
            </div>
            <Panel title="Details">
              <Properties
                items={[
                  ["Id", <CopyId key="id" id={data.dlq_id} className="-ml-1" />],
                  [
                    "Task",
                    <Link
                      key="t"
                      to={`/tasks/${data.task_id}`}
                      className="rounded-sm underline underline-offset-2"
                    >
                      Attempts and logs
                    </Link>,
                  ],
                  ["Attempts", data.total_attempts],
                  ["Gave up", <Time key="m" iso={data.moved_at} className="" />],
                  ["Requeued", <Time key="r" iso={data.requeued_at} className="" />],
                ]}
              />
            </Panel>
          </div>
        )}
      </Loaded>
    </Page>
  );
}
