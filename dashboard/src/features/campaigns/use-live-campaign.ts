import { useQueryClient } from "@tanstack/react-query";
import { useEffect, useMemo } from "react";
import { useLive } from "@/api/live";
import { throttle } from "@/api/live/throttle";
import { campaignKeys } from "@/api/queries/campaigns";
import type { Campaign } from "@/api/types";
import { withEvent } from "./progress";

const TRUTH_EVERY_MS = 4_000;

/** Events move the bar at once; the API is read again now and then, because it is what counts. */
export function useLiveCampaign(campaignId: string): void {
  const client = useQueryClient();
  const again = useMemo(
    () =>
      throttle(() => {
        void client.invalidateQueries({ queryKey: campaignKeys.detail(campaignId) });
        void client.invalidateQueries({ queryKey: campaignKeys.recipients(campaignId) });
      }, TRUTH_EVERY_MS),
    [client, campaignId],
  );
  useEffect(() => again.cancel, [again]);
  useLive(
    [`campaign:${campaignId}`],
    (events) => {
      client.setQueryData<Campaign>(
        campaignKeys.detail(campaignId),
        (campaign) =>
          campaign && events.reduce((next, event) => withEvent(next, event.data), campaign),
      );
      again();
    },
    again,
  );
}
