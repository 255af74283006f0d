import { Unplug } from "lucide-react";
import { useEffect, useState } from "react";
import { live, useLiveStatus } from "@/api/live";

const PATIENCE_MS = 2_500;

/** One quiet line when the live connection has been gone for more than a moment. */
export function ConnectionSign() {
  const lost = useLiveStatus() === "lost";
  const [shown, setShown] = useState(false);
  useEffect(() => {
    if (!lost) return setShown(false);
    const timer = setTimeout(() => setShown(true), PATIENCE_MS);
    return () => clearTimeout(timer);
  }, [lost]);
  return (
    <div role="status">
      {shown && (
        <div className="flex items-center justify-center gap-2 border-b bg-retrying-bg px-4 py-1.5 text-retrying-fg text-sm">
          <Unplug aria-hidden size={14} className="shrink-0" />
          <span>Connection lost. What you see may be old.</span>
          <button
            type="button"
            onClick={() => live.retryNow()}
            className="rounded-sm font-medium underline underline-offset-2"
          >
            Reconnect now
          </button>
        </div>
      )}
    </div>
  );
}
