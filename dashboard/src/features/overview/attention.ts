/** What an operator should know first: the list of things that are stuck, with where to go. */
import type { Campaign, Stats, Worker } from "@/api/types";
import { count, plural } from "@/lib/format";

export interface Concern {
  tone: "failed" | "retrying" | "uncertain";
  text: string;
  to: string;
  action: string;
}

export function concerns(stats: Stats, workers: Worker[], campaigns: Campaign[]): Concern[] {
  const found: Concern[] = [];
  const ready = stats.tasks.queues.reduce((sum, queue) => sum + queue.ready, 0);
  if (stats.workers.active === 0) {
    found.push({
      tone: ready > 0 ? "failed" : "retrying",
      text:
        ready > 0
          ? `${plural(ready, "task")} wait and no worker is running`
          : "No worker is running",
      to: "/workers",
      action: "See workers",
    });
  }
  const dead = workers.filter((worker) => worker.status === "DEAD" && worker.stopped_at === null);
  if (dead.length > 0 && stats.workers.active > 0) {
    found.push({
      tone: "retrying",
      text: `${plural(dead.length, "worker")} stopped answering: ${dead.map((worker) => worker.hostname).join(", ")}`,
      to: "/workers",
      action: "See workers",
    });
  }
  if (stats.dead_letters > 0) {
    found.push({
      tone: "failed",
      text: `${plural(stats.dead_letters, "task")} gave up and ${stats.dead_letters === 1 ? "is a dead letter" : "are dead letters"}`,
      to: "/dead-letters",
      action: "Review",
    });
  }
  for (const campaign of campaigns) {
    if (campaign.progress.uncertain > 0) {
      found.push({
        tone: "uncertain",
        text: `${campaign.name}: ${count(campaign.progress.uncertain)} of its mails may or may not have gone out`,
        to: `/campaigns/${campaign.campaign_id}?status=UNCERTAIN`,
        action: "Review",
      });
    }
    if (campaign.status === "PAUSED") {
      found.push({
        tone: "retrying",
        text: `${campaign.name} is paused`,
        to: `/campaigns/${campaign.campaign_id}`,
        action: "Open",
      });
    }
  }
  return found;
}
