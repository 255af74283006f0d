import { Link } from "react-router";
import type { Campaign } from "@/api/types";
import type { Column } from "@/components/ui/data-table";
import { State } from "@/components/ui/state";
import { Time } from "@/components/ui/time";
import { compact, count, percent, rate } from "@/lib/format";
import { isOpen } from "./progress";
import { ProgressBar } from "./progress-bar";

function limit(campaign: Campaign): string {
  return campaign.rate_limit_per_minute
    ? `${count(campaign.rate_limit_per_minute)}/min`
    : "no limit";
}

export const campaignColumns: Column<Campaign>[] = [
  {
    id: "name",
    header: "Campaign",
    cell: ({ row }) => (
      <Link to={`/campaigns/${row.original.campaign_id}`} tabIndex={-1} className="font-medium">
        {row.original.name}
      </Link>
    ),
    meta: { width: "minmax(0,1.2fr)" },
  },
  {
    id: "status",
    header: "Status",
    cell: ({ row }) => <State kind="campaign" status={row.original.status} />,
    meta: { width: "124px" },
  },
  {
    id: "progress",
    header: "Progress",
    cell: ({ row }) => <ProgressBar progress={row.original.progress} />,
    meta: { width: "minmax(0,1fr)" },
  },
  {
    id: "sent",
    header: "Sent",
    cell: ({ row: { original } }) =>
      isOpen(original) ? (
        <span className="text-faint">not chosen yet</span>
      ) : (
        <span className="text-muted">
          <span className="text-fg">{compact(original.progress.sent)}</span> /{" "}
          {compact(original.progress.total)}
        </span>
      ),
    meta: { width: "136px", align: "end" },
  },
  {
    id: "failed",
    header: "Failed",
    cell: ({ row: { original } }) => (
      <span className={original.progress.failed > 0 ? "text-failed-fg" : "text-faint"}>
        {compact(original.progress.failed)}
      </span>
    ),
    meta: { width: "72px", align: "end", from: 900 },
  },
  {
    id: "rate",
    header: "Rate",
    cell: ({ row: { original } }) => (
      <span className="text-muted">
        {original.status === "RUNNING"
          ? rate(original.progress.rate_per_second ?? 0)
          : limit(original)}
      </span>
    ),
    meta: { width: "88px", align: "end", from: 1024 },
  },
  {
    id: "created",
    header: "Created",
    cell: ({ row }) => <Time iso={row.original.created_at} />,
    meta: { width: "104px", align: "end", from: 900 },
  },
];

export function CampaignCard({ campaign }: { campaign: Campaign }) {
  const { progress } = campaign;
  return (
    <>
      <span className="flex items-center justify-between gap-3">
        <span className="truncate font-medium text-sm">{campaign.name}</span>
        <State kind="campaign" status={campaign.status} />
      </span>
      <ProgressBar progress={progress} />
      <span className="flex justify-between gap-3 text-faint text-xs">
        <span>
          {isOpen(campaign)
            ? "Recipients are chosen at the start"
            : `${count(progress.sent)} / ${count(progress.total)} sent (${percent(progress.sent, progress.total)})`}
        </span>
        <Time iso={campaign.created_at} className="shrink-0" />
      </span>
    </>
  );
}
