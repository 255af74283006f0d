import { Link } from "react-router";
import type { Campaign } from "@/api/types";
import { Panel } from "@/components/ui/panel";
import { State } from "@/components/ui/state";
import { secondsLeft } from "@/features/campaigns/progress";
import { ProgressBar } from "@/features/campaigns/progress-bar";
import { count, percent, rate, roughDuration } from "@/lib/format";

function Line({ campaign }: { campaign: Campaign }) {
  const { progress } = campaign;
  const left = secondsLeft(progress, campaign.rate_limit_per_minute);
  const running = campaign.status === "RUNNING";
  return (
    <Link
      to={`/campaigns/${campaign.campaign_id}`}
      className="block px-4 py-3 hover:bg-hover focus-visible:-outline-offset-2"
    >
      <span className="flex items-baseline justify-between gap-3">
        <span className="min-w-0 truncate font-medium text-sm">{campaign.name}</span>
        <State kind="campaign" status={campaign.status} />
      </span>
      <span className="my-2 block">
        <ProgressBar progress={progress} />
      </span>
      <span className="flex justify-between gap-3 text-muted text-xs">
        <span>
          {count(progress.sent)} / {count(progress.total)} sent (
          {percent(progress.sent, progress.total)})
        </span>
        {running && (
          <span>
            {rate(progress.rate_per_second ?? 0)}
            {left !== null && ` · ${roughDuration(left)} left`}
          </span>
        )}
      </span>
    </Link>
  );
}

export function LiveCampaigns({ campaigns }: { campaigns: Campaign[] }) {
  return (
    <Panel
      title="Campaigns under way"
      flush
      aside={
        <Link to="/campaigns" className="rounded-sm hover:text-fg">
          All campaigns
        </Link>
      }
    >
      {campaigns.length === 0 ? (
        <p className="px-4 py-6 text-center text-muted text-sm">
          No campaign is running.{" "}
          <Link to="/campaigns/new" className="rounded-sm text-fg underline underline-offset-2">
            Create one
          </Link>
        </p>
      ) : (
        <ul className="divide-y divide-line">
          {campaigns.map((campaign) => (
            <li key={campaign.campaign_id}>
              <Line campaign={campaign} />
            </li>
          ))}
        </ul>
      )}
    </Panel>
  );
}
