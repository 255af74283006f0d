import { cx } from "@/lib/cx";
import { count, percent } from "@/lib/format";
import type { Tone } from "@/lib/states";
import { toneFill } from "./state";

export interface Segment {
  label: string;
  value: number;
  tone: Tone | "rest";
}

interface SegmentedBarProps {
  segments: Segment[];
  total: number;
  label: string;
  thick?: boolean;
}

/** Several counts of one whole, side by side. A count that is not zero is never thinner than 2 px. */
export function SegmentedBar({ segments, total, label, thick = false }: SegmentedBarProps) {
  const shown = segments.filter((segment) => segment.value > 0);
  const text = shown.map((segment) => `${segment.label} ${count(segment.value)}`).join(", ");
  return (
    <div
      role="img"
      aria-label={`${label}: ${text || "nothing yet"}`}
      className={cx(
        "flex w-full gap-px overflow-hidden rounded-full bg-rest",
        thick ? "h-2.5" : "h-1.5",
      )}
    >
      {shown
        .filter((segment) => segment.tone !== "rest")
        .map((segment) => (
          <div
            key={segment.label}
            title={`${segment.label}: ${count(segment.value)} (${percent(segment.value, total)})`}
            className={cx(
              "min-w-[2px] transition-[width] duration-300",
              toneFill[segment.tone as Tone],
            )}
            style={{ width: `${(segment.value / Math.max(total, 1)) * 100}%` }}
          />
        ))}
    </div>
  );
}

export function Legend({ segments, total }: { segments: Segment[]; total: number }) {
  return (
    <ul className="flex flex-wrap gap-x-5 gap-y-1.5 text-sm">
      {segments.map((segment) => (
        <li key={segment.label} className="flex items-center gap-1.5">
          <span
            aria-hidden
            className={cx(
              "size-2 rounded-xs",
              segment.tone === "rest" ? "bg-rest" : toneFill[segment.tone],
            )}
          />
          <span className="text-muted">{segment.label}</span>
          <span className="font-medium">{count(segment.value)}</span>
          <span className="text-faint text-xs">{percent(segment.value, total)}</span>
        </li>
      ))}
    </ul>
  );
}
