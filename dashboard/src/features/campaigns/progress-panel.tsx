import type { Campaign } from "@/api/types";
import { Legend } from "@/components/ui/segmented-bar";
import { useNow } from "@/lib/clock";
import { count, duration, exactTime, percent, rate, roughDuration } from "@/lib/format";
import { finished, isOpen, remaining, secondsLeft, segments } from "./progress";
import { ProgressBar } from "./progress-bar";

/** The right-hand side of the headline: how fast and how long still, or how it ended. */
function Pace({ campaign }: { campaign: Campaign }) {
  const now = useNow();
  const { progress, status } = campaign;
  const left = secondsLeft(progress, campaign.rate_limit_per_minute);
  if (status === "RUNNING") {
    return (
      <>
        <span className="font-medium text-fg">{rate(progress.rate_per_second ?? 0)}</span>
        {left !== null && remaining(progress) > 0 && <span>about {roughDuration(left)} left</span>}
      </>
    );
  }
  if (status === "COMPLETED" && campaign.started_at && campaign.completed_at) {
    const took = (Date.parse(campaign.completed_at) - Date.parse(campaign.started_at)) / 1000;
    return (
      <>
        <span>took {duration(took)}</span>
        {took > 0 && <span>{rate(progress.sent / took)} on average</span>}
      </>
    );
  }
  if (status === "SCHEDULED" && campaign.scheduled_at) {
    const ahead = (Date.parse(campaign.scheduled_at) - now) / 1000;
    return (
      <span title={exactTime(campaign.scheduled_at)}>
        {ahead > 0 ? `starts in ${duration(ahead)}` : "starting"}
      </span>
    );
  }
  if (status === "PAUSED") return <span>{count(remaining(progress))} wait for you to resume</span>;
  if (status === "DRAFT") return <span>not started</span>;
  return null;
}

export function ProgressPanel({ campaign }: { campaign: Campaign }) {
  const { progress } = campaign;
  return (
    <section aria-label="Progress" className="rounded-lg border p-4">
      <div className="flex flex-wrap items-baseline justify-between gap-x-6 gap-y-1">
        <p className="font-semibold text-xl tracking-[-0.01em]" aria-live="off">
          {isOpen(campaign) ? (
            "Recipients are chosen at the start"
          ) : (
            <>
              {count(progress.sent)} / {count(progress.total)} sent{" "}
              <span className="font-normal text-muted">
                ({percent(progress.sent, progress.total)})
              </span>
            </>
          )}
        </p>
        <p className="flex gap-4 text-muted text-sm">
          <Pace campaign={campaign} />
        </p>
      </div>
      <div className="my-4">
        <ProgressBar progress={progress} thick />
      </div>
      <Legend segments={segments(progress)} total={progress.total} />
      {campaign.summary && progress.total > 0 && finished(progress) >= progress.total && (
        <p className="mt-3 border-t pt-3 text-sm">{campaign.summary}</p>
      )}
    </section>
  );
}
