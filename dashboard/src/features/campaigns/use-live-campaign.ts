import { useQueryClient } from "@tanstack/react-query";
import { useLive } from "@/api/live";
import { useLiveInvalidation } from "@/api/live/use-live-invalidation";
import { campaignKeys } from "@/api/queries/campaigns";
import type { Campaign } from "@/api/types";
import { withEvent } from "./progress";

const TRUTH_EVERY_MS = 4_000;
const ignore = () => undefined;

/** Events move the bar at once; the API is read again now and then, because it is what counts. */
export function useLiveCampaign(campaignId: string, found: Campaign | undefined): void {
  const client = useQueryClient();
  // An address that names no campaign has no topic, and the server would refuse all that are asked for with it.
  const topics = found ? [`campaign:${found.campaign_id}`] : [];
  const detail = campaignKeys.detail(campaignId);
  useLiveInvalidation(topics, [detail, campaignKeys.recipients(campaignId)], TRUTH_EVERY_MS);
  useLive(
    topics,
    (events) =>
      client.setQueryData<Campaign>(
        detail,
        (campaign) =>
          campaign && events.reduce((next, event) => withEvent(next, event.data), campaign),
      ),
    ignore,
  );
}
