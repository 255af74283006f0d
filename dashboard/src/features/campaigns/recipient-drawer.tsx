import type { ReactNode } from "react";
import { Link } from "react-router";
import type { Recipient } from "@/api/types";
import { Json } from "@/components/ui/code";
import { CopyId } from "@/components/ui/copy";
import { Dialog } from "@/components/ui/dialog";
import { Properties } from "@/components/ui/panel";
import { State } from "@/components/ui/state";
import { Time } from "@/components/ui/time";

interface RecipientDrawerProps {
  recipient: Recipient | null;
  open: boolean;
  onClose: () => void;
}

const uncertainMeans =
  "The connection broke after the mail was handed over and before the answer came. It may have arrived; TaskFlow does not send it again by itself.";

function Facts({ recipient }: { recipient: Recipient }) {
  const items: [string, ReactNode][] = [
    ["Status", <State key="s" kind="recipient" status={recipient.status} />],
    ["Sent", <Time key="t" iso={recipient.sent_at} className="" />],
    ["Attempts", recipient.attempt],
    ["Provider", recipient.provider ?? "–"],
    ["Server said", recipient.reply ?? "–"],
  ];
  if (recipient.error_message) {
    items.push([
      "Error",
      <span key="e" className="text-failed-fg">
        {recipient.error_message}
      </span>,
    ]);
  }
  if (recipient.bounce_reason) items.push(["Bounce", recipient.bounce_reason]);
  if (recipient.message_id) {
    items.push([
      "Message id",
      <span key="m" className="break-all font-mono text-xs">
        {recipient.message_id}
      </span>,
    ]);
  }
  items.push(["Recipient id", <CopyId key="r" id={recipient.recipient_id} className="-ml-1" />]);
  if (recipient.task_id) {
    items.push([
      "Task",
      <Link
        key="k"
        to={`/tasks/${recipient.task_id}`}
        className="rounded-sm underline underline-offset-2"
      >
        Attempts and logs
      </Link>,
    ]);
  }
  return <Properties items={items} />;
}

export function RecipientDrawer({ recipient, open, onClose }: RecipientDrawerProps) {
  return (
    <Dialog open={open} onClose={onClose} as="drawer" title={recipient?.email ?? "Recipient"}>
      {recipient ? (
        <div className="flex flex-col gap-6">
          {recipient.status === "UNCERTAIN" && (
            <p className="rounded-md bg-uncertain-bg px-3 py-2 text-sm text-uncertain-fg">
              {uncertainMeans}
            </p>
          )}
          <Facts recipient={recipient} />
          <section>
            <h3 className="mb-2 font-semibold text-sm">Their fields</h3>
            <Json value={recipient.personalization ?? {}} label="fields" />
          </section>
          <Link
            to={`/inbox?q=${encodeURIComponent(recipient.email)}`}
            className="self-start rounded-sm text-sm underline underline-offset-2"
          >
            Find their mail in the inbox
          </Link>
        </div>
      ) : (
        <p className="text-muted text-sm">
          This recipient is not among the rows that are loaded. Filter by its status to bring it
          nearer.
        </p>
      )}
    </Dialog>
  );
}
