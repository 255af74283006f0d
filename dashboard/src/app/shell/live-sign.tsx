import { useLiveStatus } from "@/api/live";
import { Tooltip } from "@/components/ui/tooltip";
import { cx } from "@/lib/cx";

const words = {
  idle: ["Not live", "This page does not change by itself."],
  connecting: ["Connecting", "Opening the live connection."],
  live: ["Live", "Changes show up as they happen."],
  lost: ["Reconnecting", "The live connection broke; figures may be old."],
} as const;

export function LiveSign() {
  const status = useLiveStatus();
  const [word, explanation] = words[status];
  return (
    <Tooltip label={explanation} side="right">
      <span className="flex items-center gap-2 text-faint text-xs">
        <span
          aria-hidden
          className={cx(
            "size-1.5 rounded-full",
            status === "live" && "bg-done",
            status === "lost" && "bg-retrying",
            (status === "idle" || status === "connecting") && "bg-waiting",
          )}
        />
        {word}
      </span>
    </Tooltip>
  );
}
