import { useVirtualizer } from "@tanstack/react-virtual";
import { type KeyboardEvent, useRef } from "react";
import { Link } from "react-router";
import type { Mail } from "@/api/types";
import { useMoreOnScroll } from "@/components/ui/data-table/use-scroll";
import { Time } from "@/components/ui/time";
import { cx } from "@/lib/cx";

const ROW_HEIGHT = 60;

interface MailListProps {
  mails: Mail[];
  openId: string;
  href: (mail: Mail) => string;
  onPeek: (mail: Mail) => void;
  hasMore: boolean;
  loadingMore: boolean;
  onMore: () => void;
}

/** Up and down walk through the links; focus is where the browser already keeps it. */
function walk(event: KeyboardEvent<HTMLElement>): void {
  const step = { ArrowDown: 1, j: 1, ArrowUp: -1, k: -1 }[event.key];
  const current = (event.target as HTMLElement).closest<HTMLElement>("[data-index]");
  if (!step || !current) return;
  const next = event.currentTarget.querySelector<HTMLElement>(
    `[data-index="${Number(current.dataset.index) + step}"]`,
  );
  if (!next) return;
  event.preventDefault();
  next.focus();
}

export function MailList(props: MailListProps) {
  const { mails, openId, href } = props;
  const scroller = useRef<HTMLDivElement>(null);
  const virtualizer = useVirtualizer({
    count: mails.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => ROW_HEIGHT,
    overscan: 10,
  });
  const checkMore = useMoreOnScroll(scroller, { ...props, rows: mails, fill: true });
  const items = virtualizer.getVirtualItems();
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: it only moves the focus among the links inside
    <div
      ref={scroller}
      onScroll={checkMore}
      onKeyDown={walk}
      className="min-h-0 flex-1 overflow-y-auto"
    >
      <ul
        aria-label="Mails"
        style={{
          height: virtualizer.getTotalSize(),
          paddingTop: (items[0]?.index ?? 0) * ROW_HEIGHT,
        }}
      >
        {items.map(({ index }) => {
          const mail = mails[index];
          if (!mail) return null;
          const open = mail.message_id === openId;
          return (
            <li key={mail.message_id}>
              <Link
                to={href(mail)}
                data-index={index}
                aria-current={open ? "true" : undefined}
                onMouseEnter={() => props.onPeek(mail)}
                style={{ height: ROW_HEIGHT }}
                className={cx(
                  "flex flex-col justify-center border-b px-4 focus-visible:-outline-offset-2",
                  open ? "bg-active" : "hover:bg-hover",
                )}
              >
                <span className="flex items-baseline justify-between gap-3 text-sm">
                  <span className="truncate font-medium">{mail.rcpt_to}</span>
                  <Time iso={mail.received_at} className="shrink-0 text-muted text-xs" />
                </span>
                <span className="truncate text-muted text-sm">{mail.subject || "No subject"}</span>
              </Link>
            </li>
          );
        })}
      </ul>
    </div>
  );
}
