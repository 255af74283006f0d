import { ChevronRight, CircleAlert, CircleCheck } from "lucide-react";
import { Link } from "react-router";
import { toneText } from "@/components/ui/state";
import { cx } from "@/lib/cx";
import type { Concern } from "./attention";

/** One line that says all is well, or one line per thing that is not. */
export function AttentionList({ concerns }: { concerns: Concern[] }) {
  if (concerns.length === 0) {
    return (
      <p className="flex items-center gap-2 rounded-lg border px-4 py-2.5 text-sm">
        <CircleCheck aria-hidden size={16} className="text-done-fg" />
        Everything is working. Nothing waits for you.
      </p>
    );
  }
  return (
    <ul aria-label="Needs attention" className="divide-y divide-line rounded-lg border">
      {concerns.map((concern) => (
        <li key={concern.text}>
          <Link
            to={concern.to}
            className="group flex min-h-10 items-center gap-2.5 px-4 py-2 text-sm hover:bg-hover focus-visible:-outline-offset-2"
          >
            <CircleAlert aria-hidden size={16} className={cx("shrink-0", toneText[concern.tone])} />
            <span className="min-w-0 flex-1">{concern.text}</span>
            <span className="flex shrink-0 items-center gap-0.5 text-muted group-hover:text-fg">
              {concern.action}
              <ChevronRight aria-hidden size={14} />
            </span>
          </Link>
        </li>
      ))}
    </ul>
  );
}
