import { useNow } from "@/lib/clock";
import { exactTime, relativeTime } from "@/lib/format";
import { Tooltip } from "./tooltip";

/** "4 min ago", with the exact time on hover. */
export function Time({ iso, className }: { iso: string | null | undefined; className?: string }) {
  const now = useNow();
  if (!iso) return <span className="text-faint">–</span>;
  return (
    <Tooltip label={exactTime(iso)}>
      <time dateTime={iso} className={className ?? "whitespace-nowrap text-muted"}>
        {relativeTime(iso, now)}
      </time>
    </Tooltip>
  );
}
