import { useRelativeTime } from "@/lib/clock";
import { exactTime } from "@/lib/format";

interface TimeProps {
  iso: string | null | undefined;
  className?: string;
}

/** "4 min ago", with the exact time on hover: the browser's own tooltip, because a table has hundreds. */
export function Time({ iso, className }: TimeProps) {
  return iso ? <Known iso={iso} className={className} /> : <span className="text-faint">–</span>;
}

function Known({ iso, className }: { iso: string; className: string | undefined }) {
  return (
    <time
      dateTime={iso}
      title={exactTime(iso)}
      className={className ?? "whitespace-nowrap text-muted"}
    >
      {useRelativeTime(iso)}
    </time>
  );
}
