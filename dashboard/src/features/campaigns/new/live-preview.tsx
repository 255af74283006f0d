import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { ChevronLeft, ChevronRight, TriangleAlert } from "lucide-react";
import { useEffect, useState } from "react";
import { previewQuery } from "@/api/queries/campaigns";
import { Code } from "@/components/ui/code";
import { Skeleton } from "@/components/ui/feedback";
import { IconButton } from "@/components/ui/icon-button";
import { MailFrame } from "@/components/ui/mail-frame";
import { Panel } from "@/components/ui/panel";
import { Chips } from "@/components/ui/tabs";
import { Loaded } from "@/features/shared/loaded";
import { cx } from "@/lib/cx";
import { asFields, type CsvHead } from "./csv";

const TYPING_MS = 700;

function useSettled<T>(value: T): T {
  const [settled, setSettled] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), TYPING_MS);
    return () => clearTimeout(timer);
  }, [value]);
  return settled;
}

interface LivePreviewProps {
  subject: string;
  body: string;
  from: string;
  /** Values for everybody; a row's own win. */
  shared: Record<string, string>;
  head: CsvHead | null;
}

const views = [
  { value: "html", label: "Mail" },
  { value: "text", label: "Text" },
];

/** The mail as row n gets it, rendered by the server's own sandbox while one types. */
export function LivePreview({ subject, body, from, shared, head }: LivePreviewProps) {
  const [view, setView] = useState("html");
  const [row, setRow] = useState(0);
  const rows = head?.rows.length ?? 0;
  const at = Math.min(row, Math.max(rows - 1, 0));
  const sample = head && rows > 0 ? asFields(head, at) : {};
  const settledSubject = useSettled(subject);
  const settledBody = useSettled(body);
  const settledShared = useSettled(shared);
  const query = useQuery({
    ...previewQuery({
      // The API refuses an empty subject; the mail can be looked at before there is one.
      template_subject: settledSubject || " ",
      template_body: settledBody,
      template_variables: settledShared,
      sample,
    }),
    placeholderData: keepPreviousData,
    enabled: settledBody.trim() !== "",
  });
  const problems = query.data?.problems ?? [];
  return (
    <Panel
      title="Preview"
      flush
      aside={
        <>
          <Chips label="View" tabs={views} value={view} onChange={setView} />
          {rows > 0 && (
            <span className="flex items-center text-xs">
              <IconButton label="Previous row" disabled={at === 0} onClick={() => setRow(at - 1)}>
                <ChevronLeft aria-hidden size={15} />
              </IconButton>
              row {at + 1}
              <IconButton label="Next row" disabled={at >= rows - 1} onClick={() => setRow(at + 1)}>
                <ChevronRight aria-hidden size={15} />
              </IconButton>
            </span>
          )}
        </>
      }
    >
      <div className="border-b px-4 py-3 text-sm">
        <p className="truncate font-semibold">
          {query.data?.subject?.trim() || subject || "No subject yet"}
        </p>
        <p className="truncate text-muted">
          {from || "nobody yet"} to {sample.email || "a recipient"}
        </p>
      </div>
      {problems.length > 0 && (
        <ul className="border-b bg-retrying-bg px-4 py-2 text-retrying-fg text-sm">
          {problems.map((problem) => (
            <li key={problem.code + problem.message} className="flex gap-2 py-0.5">
              <TriangleAlert aria-hidden size={14} className="mt-1 shrink-0" />
              <span className="min-w-0 break-words">{problem.message}</span>
            </li>
          ))}
        </ul>
      )}
      <div className={cx("transition-opacity", query.isPlaceholderData && "opacity-60")}>
        <Loaded query={query} skeleton={<Skeleton className="m-4 h-80" />} compact>
          {(preview) =>
            view === "html" ? (
              <MailFrame
                html={preview.html ?? ""}
                title="Preview of the mail"
                className="h-[30rem] rounded-b-lg"
              />
            ) : (
              <div className="p-4">
                <Code text={preview.text ?? ""} label="text part" wrap />
              </div>
            )
          }
        </Loaded>
      </div>
    </Panel>
  );
}
