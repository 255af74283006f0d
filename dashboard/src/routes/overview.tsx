import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { useLiveInvalidation } from "@/api/live/use-live-invalidation";
import { campaignKeys, campaignsQuery } from "@/api/queries/campaigns";
import { deadLetterKeys, deadLettersQuery } from "@/api/queries/dead-letters";
import { flatten } from "@/api/queries/pages";
import { statsKeys, statsQuery } from "@/api/queries/stats";
import { taskKeys, tasksQuery } from "@/api/queries/tasks";
import { workerKeys, workersQuery } from "@/api/queries/workers";
import { Skeleton } from "@/components/ui/feedback";
import { Page } from "@/components/ui/page";
import { isLive } from "@/features/campaigns/progress";
import { concerns } from "@/features/overview/attention";
import { AttentionList } from "@/features/overview/attention-list";
import { Figures, FiguresSkeleton } from "@/features/overview/figures";
import { FirstSteps } from "@/features/overview/first-steps";
import { LiveCampaigns } from "@/features/overview/live-campaigns";
import { Queues } from "@/features/overview/queues";
import { RecentDeadLetters, RecentFailures } from "@/features/overview/recent";
import { Throughput } from "@/features/overview/throughput";
import { Loaded } from "@/features/shared/loaded";

const RECENT = 6;
const CAMPAIGNS = 20;
/** Slower than the figures: these lists are read, not watched. */
const LISTS_EVERY_MS = 15_000;
const FIGURES_EVERY_MS = 4_000;

export default function Overview() {
  const stats = useQuery(statsQuery());
  const workers = useQuery(workersQuery());
  const campaigns = flatten(useInfiniteQuery(campaignsQuery("", CAMPAIGNS)).data);
  const failures = flatten(
    useInfiniteQuery(tasksQuery({ status: ["FAILED", "TIMEOUT"] }, RECENT)).data,
  );
  const letters = flatten(useInfiniteQuery(deadLettersQuery("", RECENT)).data);
  useLiveInvalidation(["tasks", "campaigns"], [statsKeys.all], FIGURES_EVERY_MS);
  useLiveInvalidation(["campaigns"], [campaignKeys.lists()], FIGURES_EVERY_MS);
  useLiveInvalidation(["tasks"], [taskKeys.lists(), deadLetterKeys.lists()], LISTS_EVERY_MS);
  useLiveInvalidation(["workers"], [workerKeys.all], LISTS_EVERY_MS);

  return (
    <Page title="Overview">
      <Loaded query={stats} skeleton={<OverviewSkeleton />}>
        {(data) => {
          const untouched =
            Object.values(data.tasks.by_status).every((n) => n === 0) && campaigns.length === 0;
          return (
            <>
              <AttentionList concerns={concerns(data, workers.data?.items ?? [], campaigns)} />
              <Figures stats={data} />
              {untouched && <FirstSteps />}
              <div className="grid items-start gap-4 xl:grid-cols-3">
                <div className="grid min-w-0 gap-4 xl:col-span-2">
                  <Throughput points={data.throughput} />
                  <RecentFailures tasks={failures.slice(0, RECENT)} />
                  <RecentDeadLetters letters={letters.slice(0, RECENT)} />
                </div>
                <div className="grid min-w-0 gap-4">
                  <LiveCampaigns campaigns={campaigns.filter(isLive).slice(0, RECENT)} />
                  <Queues queues={data.tasks.queues} />
                </div>
              </div>
            </>
          );
        }}
      </Loaded>
    </Page>
  );
}

function OverviewSkeleton() {
  return (
    <div role="status" aria-label="Loading" className="flex flex-col gap-4">
      <Skeleton className="h-[42px]" />
      <FiguresSkeleton />
      <div className="grid gap-4 xl:grid-cols-3">
        <Skeleton className="h-[286px] xl:col-span-2" />
        <Skeleton className="h-[286px]" />
      </div>
    </div>
  );
}
