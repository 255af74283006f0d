import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { previewQuery } from "@/api/queries/campaigns";
import type { Campaign, Recipient } from "@/api/types";
import { Code } from "@/components/ui/code";
import { Skeleton } from "@/components/ui/feedback";
import { MailFrame } from "@/components/ui/mail-frame";
import { Panel } from "@/components/ui/panel";
import { Chips } from "@/components/ui/tabs";
import { Loaded } from "@/features/shared/loaded";
import { sampleOf } from "./sample";

const views = [
  { value: "mail", label: "Mail" },
  { value: "text", label: "Text" },
  { value: "template", label: "Template" },
];

/** The mail as one recipient gets it, and the template it is made from. */
export function MessageView({
  campaign,
  recipient,
}: {
  campaign: Campaign;
  recipient: Recipient | undefined;
}) {
  const [view, setView] = useState("mail");
  const query = useQuery({
    ...previewQuery({
      template_subject: campaign.template_subject,
      template_body: campaign.template_body,
      ...(campaign.template_text ? { template_text: campaign.template_text } : {}),
      template_variables: campaign.template_variables,
      sample: sampleOf(recipient),
    }),
    placeholderData: keepPreviousData,
  });
  const from = campaign.from_name
    ? `${campaign.from_name} <${campaign.from_email}>`
    : campaign.from_email;
  return (
    <Panel
      title="Message"
      flush
      aside={<Chips label="View" tabs={views} value={view} onChange={setView} />}
    >
      <dl className="grid grid-cols-[4rem_minmax(0,1fr)] gap-y-1 border-b px-4 py-3 text-sm">
        <dt className="text-faint">From</dt>
        <dd className="truncate">{from}</dd>
        <dt className="text-faint">To</dt>
        <dd className="truncate">{recipient?.email ?? "–"}</dd>
        <dt className="text-faint">Subject</dt>
        <dd className="truncate font-medium">
          {view === "template"
            ? campaign.template_subject
            : (query.data?.subject ?? campaign.template_subject)}
        </dd>
      </dl>
      {view === "template" ? (
        <div className="p-4">
          <Code text={campaign.template_body} label="template" wrap />
        </div>
      ) : (
        <Loaded query={query} skeleton={<Skeleton className="m-4 h-96" />} compact>
          {(preview) =>
            view === "mail" ? (
              <MailFrame
                html={preview.html ?? ""}
                title="The mail"
                className="h-[34rem] rounded-b-lg"
              />
            ) : (
              <div className="p-4">
                <Code text={preview.text ?? ""} label="text part" wrap />
              </div>
            )
          }
        </Loaded>
      )}
    </Panel>
  );
}
