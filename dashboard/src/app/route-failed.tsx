import { useEffect, useState } from "react";
import { useRouteError } from "react-router";
import { failureOf } from "@/api/failure";
import { useLiveStatus } from "@/api/live";
import { Unreachable } from "@/api/problem";
import { Failed } from "@/components/ui/feedback";

/** A page's chunk did not come: the server was updated under an open tab, or it is away. */
function isMissingChunk(error: unknown): boolean {
  return (
    error instanceof TypeError && /dynamically imported module|module script/i.test(error.message)
  );
}

async function answers(): Promise<boolean> {
  return fetch("/health", { cache: "no-store" }).then(
    () => true,
    () => false,
  );
}

const updated = {
  code: "new_version",
  title: "TaskFlow was updated",
  detail: "Load the page again to go on.",
  requestId: null,
};

export function RouteFailed() {
  const error = useRouteError();
  const missing = isMissingChunk(error);
  const [away, setAway] = useState(false);
  const live = useLiveStatus() === "live";
  useEffect(() => {
    document.title = "Something went wrong · TaskFlow";
  }, []);
  useEffect(() => {
    if (missing) void answers().then((there) => setAway(!there));
  }, [missing]);
  useEffect(() => {
    // The live line may not have noticed yet that it is dead.
    if (away && live) void answers().then((there) => there && location.reload());
  }, [away, live]);
  // Loading a page that is not there would leave the browser's own error page, from which nothing recovers.
  const again = async () => {
    if (await answers()) location.reload();
    else setAway(true);
  };
  const cause = away ? new Unreachable(error) : error;
  const failure = missing && !away ? updated : failureOf(cause);
  return (
    <div className="pt-16">
      <Failed failure={failure} onRetry={() => void again()} />
    </div>
  );
}
