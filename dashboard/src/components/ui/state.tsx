import {
  Ban,
  Circle,
  CircleCheck,
  CircleDashed,
  CircleHelp,
  CirclePause,
  CircleX,
  Clock,
  LoaderCircle,
  type LucideIcon,
  RotateCw,
} from "lucide-react";
import { cx } from "@/lib/cx";
import { type StateKind, type StateLook, stateLook, type Tone } from "@/lib/states";

const shapes: Record<StateLook["shape"], LucideIcon> = {
  dashed: CircleDashed,
  clock: Clock,
  half: LoaderCircle,
  check: CircleCheck,
  retry: RotateCw,
  cross: CircleX,
  question: CircleHelp,
  pause: CirclePause,
  stop: Ban,
  dot: Circle,
};

export const toneText: Record<Tone, string> = {
  running: "text-running-fg",
  done: "text-done-fg",
  waiting: "text-waiting-fg",
  retrying: "text-retrying-fg",
  failed: "text-failed-fg",
  uncertain: "text-uncertain-fg",
};

export const toneBackground: Record<Tone, string> = {
  running: "bg-running-bg",
  done: "bg-done-bg",
  waiting: "bg-waiting-bg",
  retrying: "bg-retrying-bg",
  failed: "bg-failed-bg",
  uncertain: "bg-uncertain-bg",
};

export const toneFill: Record<Tone, string> = {
  running: "bg-running",
  done: "bg-done",
  waiting: "bg-waiting",
  retrying: "bg-retrying",
  failed: "bg-failed",
  uncertain: "bg-uncertain",
};

interface StateProps {
  kind: StateKind;
  status: string;
  /** A filled badge stands alone in a header and may move; in tables the plain form is calmer. */
  badge?: boolean;
  className?: string;
}

export function State({ kind, status, badge = false, className }: StateProps) {
  const { tone, label, shape } = stateLook(kind, status);
  const Icon = shapes[shape];
  return (
    <span
      className={cx(
        "inline-flex h-5 items-center gap-1.5 whitespace-nowrap align-top font-medium text-sm",
        toneText[tone],
        badge && cx("h-6! rounded-md px-2", toneBackground[tone]),
        className,
      )}
    >
      <Icon
        aria-hidden
        size={14}
        strokeWidth={2.25}
        className={cx(
          "shrink-0",
          shape === "half" && badge && "animate-spin [animation-duration:2.4s]",
        )}
      />
      {label}
    </span>
  );
}
