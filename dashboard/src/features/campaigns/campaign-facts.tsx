import type { ReactNode } from "react";
import { Link } from "react-router";
import type { Campaign } from "@/api/types";
import { CopyId } from "@/components/ui/copy";
import { Panel, Properties } from "@/components/ui/panel";
import { Time } from "@/components/ui/time";
import { count, plural } from "@/lib/format";

const policies: Record<string, string> = {
  hold: "keep them for a decision",
  resend: "send again",
  reconcile: "ask the provider",
};

function audienceOf({ audience }: Campaign): string {
  if (!audience) return "the recipients it was created with";
  const { lists = [], segments = [], exclude_lists = [], exclude_segments = [] } = audience;
  const left = exclude_lists.length + exclude_segments.length;
  const parts = [
    lists.length > 0 && plural(lists.length, "list"),
    segments.length > 0 && plural(segments.length, "segment"),
  ].filter(Boolean);
  return `${parts.join(" and ")}${left > 0 ? `, less ${plural(left, "other")}` : ""}`;
}

export function CampaignFacts({ campaign }: { campaign: Campaign }) {
  const limit = campaign.rate_limit_per_minute;
  const items: [string, ReactNode][] = [
    ["Id", <CopyId key="id" id={campaign.campaign_id} className="-ml-1" />],
    [
      "From",
      campaign.from_name ? `${campaign.from_name} <${campaign.from_email}>` : campaign.from_email,
    ],
    ["Reply to", campaign.reply_to ?? "–"],
    ["Audience", audienceOf(campaign)],
    [
      "Template",
      campaign.template_id ? (
        <span key="template" className="inline-flex items-baseline gap-1">
          version {campaign.template_version} of
          <CopyId id={campaign.template_id} />
        </span>
      ) : (
        "its own words"
      ),
    ],
    ["Rate limit", limit ? `${count(limit)} mails a minute` : "none"],
    ["Uncertain mails", policies[campaign.uncertain_policy] ?? campaign.uncertain_policy],
    ["Created", <Time key="c" iso={campaign.created_at} className="" />],
    ["Scheduled for", <Time key="s" iso={campaign.scheduled_at} className="" />],
    ["Started", <Time key="st" iso={campaign.started_at} className="" />],
    ["Ended", <Time key="e" iso={campaign.completed_at} className="" />],
    [
      "Tasks",
      <Link
        key="t"
        to={`/tasks?campaign_id=${campaign.campaign_id}`}
        className="rounded-sm underline underline-offset-2"
      >
        One for each recipient
      </Link>,
    ],
  ];
  return (
    <Panel title="Details">
      <Properties items={items} />
    </Panel>
  );
}
