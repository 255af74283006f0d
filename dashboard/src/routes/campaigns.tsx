import { useInfiniteQuery, useQueryClient } from "@tanstack/react-query";
import { Megaphone, Plus } from "lucide-react";
import { Link } from "react-router";
import { useLiveInvalidation } from "@/api/live/use-live-invalidation";
import { campaignKeys, campaignQuery, campaignsQuery } from "@/api/queries/campaigns";
import { flatten } from "@/api/queries/pages";
import { Button } from "@/components/ui/button";
import { Command } from "@/components/ui/copy";
import { DataTable, TableSkeleton } from "@/components/ui/data-table";
import { Empty, NoMatch } from "@/components/ui/feedback";
import { Page } from "@/components/ui/page";
import { Chips } from "@/components/ui/tabs";
import { CampaignCard, campaignColumns } from "@/features/campaigns/campaign-columns";
import { useMay } from "@/features/session/permissions";
import { Loaded } from "@/features/shared/loaded";
import { useUrlState } from "@/features/shared/use-url-state";
import { campaignStatuses, stateLook } from "@/lib/states";

const REFRESH_MS = 3_000;
const tabs = [
  { value: "", label: "All" },
  ...campaignStatuses.map((status) => ({
    value: status,
    label: stateLook("campaign", status).label,
  })),
];

export default function Campaigns() {
  const { get, set } = useUrlState();
  const status = get("status");
  const may = useMay("campaigns");
  const client = useQueryClient();
  const query = useInfiniteQuery(campaignsQuery(status));
  useLiveInvalidation(["campaigns"], [campaignKeys.lists()], REFRESH_MS);
  const rows = flatten(query.data);
  const create = may && (
    <Button asChild variant="primary">
      <Link to="/campaigns/new">
        <Plus aria-hidden size={14} />
        New campaign
      </Link>
    </Button>
  );

  return (
    <Page title="Campaigns" fill actions={create}>
      <Chips label="Status" tabs={tabs} value={status} onChange={(next) => set({ status: next })} />
      <div className="flex min-h-0 flex-col overflow-hidden rounded-lg border max-md:-mx-4 max-md:rounded-none max-md:border-x-0">
        <Loaded query={query} skeleton={<TableSkeleton rows={8} cardHeight={84} />}>
          {() =>
            rows.length > 0 ? (
              <DataTable
                label="Campaigns"
                fill
                rows={rows}
                columns={campaignColumns}
                rowId={(campaign) => campaign.campaign_id}
                href={(campaign) => `/campaigns/${campaign.campaign_id}`}
                onPeek={(campaign) =>
                  void client.prefetchQuery(campaignQuery(campaign.campaign_id))
                }
                card={(campaign) => <CampaignCard campaign={campaign} />}
                cardHeight={84}
                hasMore={query.hasNextPage}
                loadingMore={query.isFetchingNextPage}
                onMore={() => void query.fetchNextPage()}
              />
            ) : status ? (
              <NoMatch onClear={() => set({ status: null })} />
            ) : (
              <Empty
                icon={Megaphone}
                title="No campaign yet"
                action={
                  <>
                    {create}
                    <span className="py-1 text-faint text-xs">
                      or watch one with 10,000 recipients
                    </span>
                    <div className="w-full">
                      <Command>make demo</Command>
                    </div>
                  </>
                }
              >
                Drop a CSV with addresses, write the mail, see it with real rows, and start.
              </Empty>
            )
          }
        </Loaded>
      </div>
    </Page>
  );
}
