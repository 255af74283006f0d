import { useQuery } from "@tanstack/react-query";
import { Download } from "lucide-react";
import { download } from "@/api/client";
import { mailQuery } from "@/api/queries/inbox";
import type { MailDetail } from "@/api/types";
import { Code } from "@/components/ui/code";
import { Skeleton } from "@/components/ui/feedback";
import { IconButton } from "@/components/ui/icon-button";
import { MailFrame } from "@/components/ui/mail-frame";
import { Chips } from "@/components/ui/tabs";
import { Loaded } from "@/features/shared/loaded";
import { useAction } from "@/features/shared/use-action";
import { bytes, exactTime } from "@/lib/format";

interface ReaderProps {
  messageId: string;
  tab: string;
  onTab: (tab: string) => void;
}

export function Reader({ messageId, tab, onTab }: ReaderProps) {
  const query = useQuery(mailQuery(messageId));
  return (
    <Loaded query={query} skeleton={<ReaderSkeleton />}>
      {(mail) => <Mail mail={mail} tab={tab} onTab={onTab} />}
    </Loaded>
  );
}

function Mail({
  mail,
  tab,
  onTab,
}: {
  mail: MailDetail;
  tab: string;
  onTab: (tab: string) => void;
}) {
  const keep = useAction({
    run: () => download(`/inbox/${mail.message_id}/raw`, `${mail.message_id}.eml`),
    touches: [],
  });
  const tabs = [
    ...(mail.html ? [{ value: "html", label: "HTML" }] : []),
    { value: "text", label: "Text" },
    { value: "headers", label: "Headers" },
  ];
  const view = tabs.some((each) => each.value === tab) ? tab : (tabs[0]?.value ?? "text");
  return (
    <article className="flex min-h-0 flex-1 flex-col">
      <header className="border-b px-4 py-3">
        <div className="flex items-start justify-between gap-3">
          <h2 className="min-w-0 break-words font-semibold text-base">
            {mail.subject || "No subject"}
          </h2>
          <IconButton label="Download the raw mail" onClick={() => keep.mutate()}>
            <Download aria-hidden size={15} />
          </IconButton>
        </div>
        <dl className="mt-1.5 grid grid-cols-[3.5rem_minmax(0,1fr)] gap-x-2 text-sm">
          <dt className="text-faint">From</dt>
          <dd className="truncate">{mail.mail_from}</dd>
          <dt className="text-faint">To</dt>
          <dd className="truncate">{mail.rcpt_to}</dd>
          <dt className="text-faint">Got</dt>
          <dd className="truncate text-muted">
            {exactTime(mail.received_at)} · {bytes(mail.raw_size)}
          </dd>
        </dl>
        <div className="mt-2 -ml-2">
          <Chips label="View" tabs={tabs} value={view} onChange={onTab} />
        </div>
      </header>
      {view === "html" && (
        <MailFrame html={mail.html ?? ""} title="The mail" className="min-h-0 flex-1" />
      )}
      {view === "text" && (
        <div className="min-h-0 flex-1 overflow-y-auto p-4">
          <Code text={mail.text ?? "This mail has no text part."} label="text part" wrap />
        </div>
      )}
      {view === "headers" && <Headers headers={mail.headers} />}
    </article>
  );
}

function Headers({ headers }: { headers: MailDetail["headers"] }) {
  return (
    <section aria-label="Headers" tabIndex={0} className="min-h-0 flex-1 overflow-y-auto p-4">
      <dl className="grid grid-cols-[minmax(7rem,auto)_minmax(0,1fr)] gap-x-4 gap-y-1.5 font-mono text-[12.5px] max-sm:grid-cols-1">
        {headers.map(({ name, value }, index) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: a header may come more than once
          <div key={index} className="contents">
            <dt className="text-faint">{name}</dt>
            <dd className="break-words">{value}</dd>
          </div>
        ))}
      </dl>
    </section>
  );
}

function ReaderSkeleton() {
  return (
    <div role="status" aria-label="Loading" className="flex flex-1 flex-col">
      <div className="flex flex-col gap-2.5 border-b px-4 py-3">
        <Skeleton className="h-5 w-2/3" />
        <Skeleton className="h-3 w-1/2" />
        <Skeleton className="h-3 w-1/3" />
      </div>
      <Skeleton className="m-4 flex-1" />
    </div>
  );
}
