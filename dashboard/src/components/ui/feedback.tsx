/** The states of a page that are not its content: nothing yet, gone wrong, not allowed. */
import { CircleAlert, Lock, type LucideIcon, RotateCw, SearchX, Unplug } from "lucide-react";
import type { ReactNode } from "react";
import { cx } from "@/lib/cx";
import { Button } from "./button";
import { CopyButton } from "./copy";

interface EmptyProps {
  icon: LucideIcon;
  title: string;
  children?: ReactNode;
  /** The first step: a button or a command to copy. */
  action?: ReactNode;
  compact?: boolean;
}

export function Empty({ icon: Icon, title, children, action, compact = false }: EmptyProps) {
  return (
    <div
      className={cx(
        "mx-auto flex max-w-md flex-col items-center text-center",
        compact ? "px-4 py-6" : "px-4 py-16",
      )}
    >
      <Icon aria-hidden size={compact ? 18 : 24} strokeWidth={1.5} className="text-faint" />
      <p className={cx("mt-2 font-medium", compact ? "text-sm" : "text-base")}>{title}</p>
      {children && <div className="mt-1 text-muted text-sm">{children}</div>}
      {action && <div className="mt-4 flex w-full flex-col items-center gap-2">{action}</div>}
    </div>
  );
}

export function NoMatch({ onClear }: { onClear: () => void }) {
  return (
    <Empty
      icon={SearchX}
      title="Nothing matches these filters"
      action={<Button onClick={onClear}>Clear filters</Button>}
    />
  );
}

/** What a failure looks like: the sentence, the code and request id to quote, and the retry. */
export interface Failure {
  status?: number;
  code: string;
  title: string;
  detail: string;
  requestId: string | null;
}

interface FailedProps {
  failure: Failure;
  onRetry?: () => void;
  compact?: boolean;
}

function iconOf(failure: Failure): LucideIcon {
  if (failure.status === 403) return Lock;
  if (failure.status === 404) return SearchX;
  return failure.code === "unreachable" ? Unplug : CircleAlert;
}

export function Failed({ failure, onRetry, compact = false }: FailedProps) {
  const reference = [failure.code, failure.requestId].filter(Boolean).join(" · ");
  const retryable = failure.status !== 403 && failure.status !== 404;
  return (
    <div role="alert">
      <Empty
        icon={iconOf(failure)}
        title={failure.title}
        compact={compact}
        action={
          <>
            {onRetry && retryable && (
              <Button onClick={onRetry}>
                <RotateCw aria-hidden size={14} />
                Try again
              </Button>
            )}
            <span className="flex items-center gap-1 font-mono text-faint text-xs">
              {reference}
              <CopyButton text={reference} label="Copy for a report" />
            </span>
          </>
        }
      >
        {failure.detail !== failure.title && failure.detail}
      </Empty>
    </div>
  );
}

export function Skeleton({ className }: { className?: string }) {
  return <div aria-hidden className={cx("skeleton", className)} />;
}
