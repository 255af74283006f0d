import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useNavigate, useParams } from "react-router";
import { campaignQuery, recipientsQuery } from "@/api/queries/campaigns";
import { flatten } from "@/api/queries/pages";
import type { Campaign, Recipient } from "@/api/types";
import { Skeleton } from "@/components/ui/feedback";
import { Page } from "@/components/ui/page";
import { State } from "@/components/ui/state";
import { Tabs } from "@/components/ui/tabs";
import { CampaignActions } from "@/features/campaigns/campaign-actions";
import { CampaignFacts } from "@/features/campaigns/campaign-facts";
import { ImportView } from "@/features/campaigns/import-view";
import { MessageView } from "@/features/campaigns/message-view";
import type { MissingVariable } from "@/features/campaigns/missing";
import { MissingPanel } from "@/features/campaigns/missing-panel";
import { isOpen } from "@/features/campaigns/progress";
import { ProgressPanel } from "@/features/campaigns/progress-panel";
import { RecipientDrawer } from "@/features/campaigns/recipient-drawer";
import { Recipients } from "@/features/campaigns/recipients";
import { UncertainPanel } from "@/features/campaigns/uncertain-panel";
import { useLiveCampaign } from "@/features/campaigns/use-live-campaign";
import { Loaded } from "@/features/shared/loaded";
import { useUrlState } from "@/features/shared/use-url-state";
import { compact } from "@/lib/format";

const back = { to: "/campaigns", label: "Campaigns" };

export default function CampaignPage() {
  const { campaignId = "" } = useParams();
  const { get } = useUrlState();
  const [missing, setMissing] = useState<MissingVariable[]>([]);
  const query = useQuery(campaignQuery(campaignId));
  const campaign = query.data;
  useLiveCampaign(campaignId, campaign);
  const listTab = !get("tab");
  return (
    <Page
      title={campaign?.name ?? "Campaign"}
      back={back}
      fill={listTab}
      badge={campaign && <State kind="campaign" status={campaign.status} badge />}
      actions={campaign && <CampaignActions campaign={campaign} onMissing={setMissing} />}
    >
      <Loaded query={query} skeleton={<CampaignSkeleton />}>
        {(data) => (
          <Detail campaign={data} missing={missing} onMissingClose={() => setMissing([])} />
        )}
      </Loaded>
    </Page>
  );
}

interface DetailProps {
  campaign: Campaign;
  missing: MissingVariable[];
  onMissingClose: () => void;
}

function Detail({ campaign, missing, onMissingClose }: DetailProps) {
  const { get, set, search } = useUrlState();
  const navigate = useNavigate();
  const tab = get("tab");
  const status = get("status");
  const recipients = flatten(useInfiniteQuery(recipientsQuery(campaign.campaign_id, status)).data);
  const chosen = get("recipient");
  const href = (recipient: Recipient) => {
    const params = new URLSearchParams(search);
    params.set("recipient", recipient.recipient_id);
    return `?${params}`;
  };
  const close = () => {
    const params = new URLSearchParams(search);
    params.delete("recipient");
    navigate(`?${params}`, { replace: true });
  };
  return (
    <>
      {missing.length > 0 && (
        <MissingPanel
          problems={missing}
          columns={Object.keys(recipients[0]?.personalization ?? {})}
          onClose={onMissingClose}
        />
      )}
      <ProgressPanel campaign={campaign} />
      {campaign.error_message && <p className="text-failed-fg text-sm">{campaign.error_message}</p>}
      {campaign.progress.uncertain > 0 && tab === "" && <UncertainPanel campaign={campaign} />}
      <Tabs
        label="Parts of the campaign"
        value={tab}
        onChange={(next) => set({ tab: next, recipient: null }, "push")}
        tabs={[
          {
            value: "",
            label: "Recipients",
            count: isOpen(campaign) ? null : compact(campaign.progress.total),
          },
          { value: "message", label: "Message" },
          ...(campaign.import ? [{ value: "import", label: "Import" }] : []),
          { value: "details", label: "Details" },
        ]}
      />
      {tab === "" && (
        <div className="flex min-h-[22rem] flex-1 flex-col">
          <Recipients
            campaign={campaign}
            status={status}
            onStatus={(next) => set({ status: next })}
            href={href}
          />
        </div>
      )}
      {tab === "message" && <MessageView campaign={campaign} recipient={recipients[0]} />}
      {tab === "import" && campaign.import && (
        <ImportView campaign={campaign} report={campaign.import} />
      )}
      {tab === "details" && <CampaignFacts campaign={campaign} />}
      <RecipientDrawer
        open={chosen !== ""}
        recipient={recipients.find((recipient) => recipient.recipient_id === chosen) ?? null}
        onClose={close}
      />
    </>
  );
}

function CampaignSkeleton() {
  return (
    <div role="status" aria-label="Loading" className="flex flex-col gap-4">
      <Skeleton className="h-[128px]" />
      <Skeleton className="h-9 w-80" />
      <Skeleton className="h-96" />
    </div>
  );
}
