/** What the counts of a campaign mean on the screen. */
import type { Campaign, CampaignStatus, Progress } from "@/api/types";
import type { Segment } from "@/components/ui/segmented-bar";

/** Recipients that nothing more will happen to by itself. */
export function finished(progress: Progress): number {
  return (
    progress.sent + progress.failed + progress.uncertain + progress.suppressed + progress.cancelled
  );
}

export function remaining(progress: Progress): number {
  return Math.max(progress.total - finished(progress), 0);
}

/** Sent, failed, deferred, uncertain, skipped and remaining: together the whole. */
export function segments(progress: Progress): Segment[] {
  const skipped = progress.suppressed + progress.cancelled;
  const all: Segment[] = [
    { label: "Sent", value: progress.sent, tone: "done" },
    { label: "Failed", value: progress.failed, tone: "failed" },
    { label: "Deferred", value: progress.deferred, tone: "retrying" },
    { label: "Uncertain", value: progress.uncertain, tone: "uncertain" },
    { label: "Skipped", value: skipped, tone: "waiting" },
    {
      label: "Remaining",
      value: Math.max(remaining(progress) - progress.deferred, 0),
      tone: "rest",
    },
  ];
  // Skipped is rare: it takes room in the legend only when there is some.
  return all.filter((segment) => segment.label !== "Skipped" || segment.value > 0);
}

/**
 * Seconds until the last recipient, or null when nobody can tell. The measured rate says how fast it goes; the limit
 * of the campaign says how fast it may go.
 */
export function secondsLeft(
  progress: Progress,
  limitPerMinute: number | null | undefined,
): number | null {
  const measured = progress.rate_per_second ?? 0;
  const limit = limitPerMinute ? limitPerMinute / 60 : Number.POSITIVE_INFINITY;
  const perSecond = measured > 0 ? Math.min(measured, limit * 1.05) : limit;
  if (!Number.isFinite(perSecond) || perSecond <= 0) return null;
  return remaining(progress) / perSecond;
}

/** Whether who gets the mail is decided only at the start. */
export function isOpen(campaign: Pick<Campaign, "audience" | "frozen_at">): boolean {
  return campaign.audience !== null && campaign.frozen_at === null;
}

export function isLive(campaign: Pick<Campaign, "status">): boolean {
  return (
    campaign.status === "RUNNING" || campaign.status === "SCHEDULED" || campaign.status === "PAUSED"
  );
}

/** Merges an event of topic `campaign:<id>` into what is on the screen; unknown fields stay out. */
export function withEvent(campaign: Campaign, data: Record<string, unknown>): Campaign {
  const next = { ...campaign };
  if (typeof data.status === "string") next.status = data.status as CampaignStatus;
  if (typeof data.summary === "string") next.summary = data.summary;
  const counts = typeof data.progress === "object" && data.progress !== null ? data.progress : data;
  const progress: Record<string, unknown> = { ...campaign.progress };
  for (const [key, value] of Object.entries(counts)) {
    if (key in progress && typeof value === "number") progress[key] = value;
  }
  next.progress = progress as Progress;
  return next;
}
