import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { proofQuery } from "@/api/queries/campaigns";
import type { Campaign, Proof, Recipient } from "@/api/types";
import { Code } from "@/components/ui/code";
import { Skeleton } from "@/components/ui/feedback";
import { MailFrame } from "@/components/ui/mail-frame";
import { Panel } from "@/components/ui/panel";
import { Chips } from "@/components/ui/tabs";
import { Loaded } from "@/features/shared/loaded";

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
    ...proofQuery(
      campaign.campaign_id,
      recipient ? { ...recipient.personalization, email: recipient.email } : {},
    ),
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
          {(proof) =>
            proof.problems.length > 0 ? (
              <Problems problems={proof.problems} hasRecipient={recipient !== undefined} />
            ) : view === "mail" && proof.html ? (
              <MailFrame html={proof.html} title="The mail" className="h-[34rem] rounded-b-lg" />
            ) : (
              <div className="p-4">
                <Code text={proof.text ?? ""} label="text part" wrap />
              </div>
            )
          }
        </Loaded>
      )}
    </Panel>
  );
}

interface ProblemsProps {
  problems: Proof["problems"];
  hasRecipient: boolean;
}

function Problems({ problems, hasRecipient }: ProblemsProps) {
  return (
    <div className="p-4 text-sm">
      <p className="font-medium">
        {hasRecipient
          ? "This recipient gets no mail"
          : "There is no recipient yet to show the mail for"}
      </p>
      <ul className="mt-1 text-muted">
        {problems.map((problem) => (
          <li key={`${problem.part} ${problem.message}`}>{problem.message}</li>
        ))}
      </ul>
    </div>
  );
}
