import { useInfiniteQuery } from "@tanstack/react-query";
import { Download, Users } from "lucide-react";
import { useMemo } from "react";
import { download } from "@/api/client";
import { recipientsQuery } from "@/api/queries/campaigns";
import { flatten } from "@/api/queries/pages";
import type { Campaign, Recipient } from "@/api/types";
import { Button } from "@/components/ui/button";
import { type Column, DataTable, TableSkeleton } from "@/components/ui/data-table";
import { Empty } from "@/components/ui/feedback";
import { State } from "@/components/ui/state";
import { Chips } from "@/components/ui/tabs";
import { Time } from "@/components/ui/time";
import { Loaded } from "@/features/shared/loaded";
import { useAction } from "@/features/shared/use-action";
import { compact } from "@/lib/format";
import { recipientStatuses, stateLook } from "@/lib/states";
import { isOpen } from "./progress";

const columns: Column<Recipient>[] = [
  {
    id: "status",
    header: "Status",
    cell: ({ row }) => <State kind="recipient" status={row.original.status} />,
    meta: { width: "124px" },
  },
  {
    id: "email",
    header: "Address",
    cell: ({ row }) => <span className="font-medium">{row.original.email}</span>,
    meta: { width: "minmax(0,1fr)" },
  },
  {
    id: "reply",
    header: "What the server said",
    cell: ({ row: { original } }) => (
      <span className={original.error_message ? "text-failed-fg" : "text-muted"}>
        {original.error_message ?? original.bounce_reason ?? original.reply ?? "–"}
      </span>
    ),
    meta: { width: "minmax(0,1.4fr)" },
  },
  {
    id: "attempt",
    header: "Attempts",
    cell: ({ row }) => <span className="text-muted">{row.original.attempt}</span>,
    meta: { width: "72px", align: "end", from: 1000 },
  },
  {
    id: "sent",
    header: "Sent",
    cell: ({ row }) => <Time iso={row.original.sent_at} />,
    meta: { width: "104px", align: "end" },
  },
];

interface RecipientsProps {
  campaign: Campaign;
  status: string;
  onStatus: (status: string) => void;
  /** The address of a recipient's drawer. */
  href: (recipient: Recipient) => string;
}

/** Counts beside the filters, for the statuses that the progress knows. */
function known(campaign: Campaign, status: string): number | null {
  const { progress } = campaign;
  const counts: Record<string, number> = {
    SENT: progress.sent,
    FAILED: progress.failed,
    UNCERTAIN: progress.uncertain,
    DEFERRED: progress.deferred,
    SUPPRESSED: progress.suppressed,
    CANCELLED: progress.cancelled,
  };
  return counts[status] ?? null;
}

function counted(value: number | null): string | null {
  return value === null ? null : compact(value);
}

export function Recipients({ campaign, status, onStatus, href }: RecipientsProps) {
  const query = useInfiniteQuery(recipientsQuery(campaign.campaign_id, status));
  const rows = useMemo(() => flatten(query.data), [query.data]);
  const suffix = status ? `?status=${status}` : "";
  const keep = useAction({
    run: () =>
      download(
        `/campaigns/${campaign.campaign_id}/recipients.csv${suffix}`,
        `${campaign.name} recipients.csv`,
      ),
    touches: [],
  });
  const shown = recipientStatuses.filter((each) => each === status || known(campaign, each) !== 0);
  const tabs = [
    { value: "", label: "All" },
    ...shown.map((each) => ({
      value: each,
      label: stateLook("recipient", each).label,
      count: counted(known(campaign, each)),
    })),
  ];
  return (
    <div className="flex min-h-0 flex-col overflow-hidden rounded-lg border max-md:-mx-4 max-md:rounded-none max-md:border-x-0">
      <div className="flex flex-wrap items-center justify-between gap-2 border-b px-3 py-1.5">
        <Chips label="Status" tabs={tabs} value={status} onChange={onStatus} />
        <Button size="sm" busy={keep.isPending} onClick={() => keep.mutate()}>
          <Download aria-hidden size={13} />
          Export {status ? stateLook("recipient", status).label.toLowerCase() : "all"} as CSV
        </Button>
      </div>
      <Loaded query={query} skeleton={<TableSkeleton rows={10} />}>
        {() =>
          rows.length > 0 ? (
            <DataTable
              key={status}
              label="Recipients"
              fill
              rows={rows}
              columns={columns}
              rowId={(recipient) => recipient.recipient_id}
              href={href}
              card={(recipient) => <RecipientCard recipient={recipient} />}
              hasMore={query.hasNextPage}
              loadingMore={query.isFetchingNextPage}
              onMore={() => void query.fetchNextPage()}
            />
          ) : (
            <Empty
              icon={Users}
              title={
                status
                  ? "No recipient is in this state"
                  : isOpen(campaign)
                    ? "Nobody is chosen yet"
                    : "This campaign has no recipients"
              }
            >
              {!status &&
                isOpen(campaign) &&
                "Who is in its audience when it starts gets the mail."}
            </Empty>
          )
        }
      </Loaded>
    </div>
  );
}

function RecipientCard({ recipient }: { recipient: Recipient }) {
  return (
    <>
      <span className="flex items-center justify-between gap-3">
        <span className="truncate font-medium text-sm">{recipient.email}</span>
        <State kind="recipient" status={recipient.status} />
      </span>
      <span className="flex justify-between gap-3 text-faint text-xs">
        <span className="truncate">
          {recipient.error_message ?? recipient.reply ?? "Nothing said yet"}
        </span>
        {recipient.sent_at && <Time iso={recipient.sent_at} className="shrink-0" />}
      </span>
    </>
  );
}
