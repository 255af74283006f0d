import { useInfiniteQuery, useQueryClient } from "@tanstack/react-query";
import { ChevronLeft, Inbox as InboxIcon, MailOpen, SlidersHorizontal } from "lucide-react";
import { useEffect, useMemo, useRef, useState } from "react";
import { Link, useNavigate, useParams } from "react-router";
import { useLiveInvalidation } from "@/api/live/use-live-invalidation";
import { inboxKeys, inboxQuery, mailQuery } from "@/api/queries/inbox";
import { flatten } from "@/api/queries/pages";
import type { Mail } from "@/api/types";
import { Button } from "@/components/ui/button";
import { TableSkeleton } from "@/components/ui/data-table";
import { Empty, NoMatch } from "@/components/ui/feedback";
import { Input } from "@/components/ui/field";
import { Page } from "@/components/ui/page";
import { EmptyInbox } from "@/features/inbox/empty-inbox";
import { MailList } from "@/features/inbox/mail-list";
import { Reader } from "@/features/inbox/reader";
import { RulesDialog } from "@/features/inbox/rules-dialog";
import { useMay } from "@/features/session/permissions";
import { Loaded } from "@/features/shared/loaded";
import { useUrlState } from "@/features/shared/use-url-state";
import { cx } from "@/lib/cx";
import { useNarrow } from "@/lib/media";

const TYPING_MS = 350;
const REFRESH_MS = 5_000;
const PEEK_AFTER_MS = 90;

export default function Inbox() {
  const { messageId = "" } = useParams();
  const { get, set, search } = useUrlState();
  const q = get("q");
  const [text, setText] = useState(q);
  const may = useMay("inbox");
  const navigate = useNavigate();
  const client = useQueryClient();
  const peek = useRef<ReturnType<typeof setTimeout>>(undefined);
  const query = useInfiniteQuery(inboxQuery(q));
  const mails = useMemo(() => flatten(query.data), [query.data]);
  useLiveInvalidation(["campaigns"], [inboxKeys.lists()], REFRESH_MS);
  useEffect(() => setText(q), [q]);
  useEffect(() => {
    if (text.trim() === q) return;
    const timer = setTimeout(() => set({ q: text.trim() }), TYPING_MS);
    return () => clearTimeout(timer);
  }, [text, q, set]);

  // On a phone the open mail takes the page to itself.
  const reading = useNarrow() && messageId !== "";
  const suffix = search ? `?${search}` : "";
  const href = (mail: Mail) => `/inbox/${mail.message_id}${suffix}`;
  return (
    <Page
      title="Inbox"
      fill
      description={
        reading
          ? undefined
          : "What the sandbox mail server has received. Nothing here has left this machine."
      }
      actions={
        may && !reading && <Tools empty={mails.length === 0} onEmptied={() => navigate("/inbox")} />
      }
    >
      <div className="flex min-h-0 flex-1 overflow-hidden rounded-lg border max-md:-mx-4 max-md:rounded-none max-md:border-x-0">
        <div
          className={cx(
            "flex w-96 shrink-0 flex-col border-r max-md:w-full max-md:border-r-0",
            messageId && "max-md:hidden",
          )}
        >
          <div className="border-b p-2">
            <Input
              type="search"
              data-filter
              aria-label="Search mails"
              placeholder="Address or subject"
              value={text}
              onChange={(event) => setText(event.target.value)}
            />
          </div>
          <Loaded query={query} skeleton={<TableSkeleton rows={9} />}>
            {() =>
              mails.length > 0 ? (
                <MailList
                  mails={mails}
                  openId={messageId}
                  href={href}
                  onPeek={(mail) => {
                    clearTimeout(peek.current);
                    peek.current = setTimeout(
                      () => void client.prefetchQuery(mailQuery(mail.message_id)),
                      PEEK_AFTER_MS,
                    );
                  }}
                  hasMore={query.hasNextPage}
                  loadingMore={query.isFetchingNextPage}
                  onMore={() => void query.fetchNextPage()}
                />
              ) : q ? (
                <NoMatch onClear={() => set({ q: null })} />
              ) : (
                <Empty icon={InboxIcon} title="No mail yet">
                  Start a campaign without a mail provider and its mails arrive here.
                </Empty>
              )
            }
          </Loaded>
        </div>
        <div className={cx("flex min-w-0 flex-1 flex-col", !messageId && "max-md:hidden")}>
          {messageId ? (
            <>
              <Link
                to={`/inbox${suffix}`}
                className="flex h-11 items-center gap-1 border-b px-3 text-muted text-sm md:hidden"
              >
                <ChevronLeft aria-hidden size={16} />
                All mails
              </Link>
              <Reader messageId={messageId} tab={get("tab")} onTab={(tab) => set({ tab })} />
            </>
          ) : (
            <div className="m-auto">
              <Empty icon={MailOpen} title="Choose a mail to read it" />
            </div>
          )}
        </div>
      </div>
    </Page>
  );
}

function Tools({ empty, onEmptied }: { empty: boolean; onEmptied: () => void }) {
  const [rules, setRules] = useState(false);
  return (
    <>
      <Button onClick={() => setRules(true)}>
        <SlidersHorizontal aria-hidden size={14} />
        Rules
      </Button>
      {!empty && <EmptyInbox onDone={onEmptied} />}
      <RulesDialog open={rules} onClose={() => setRules(false)} />
    </>
  );
}
