import { useEffect } from "react";
import { useRouteError } from "react-router";
import { failureOf } from "@/api/failure";
import { Failed } from "@/components/ui/feedback";

/** A chunk that is gone means that the server was updated under an open tab. */
function isStaleBuild(error: unknown): boolean {
  return (
    error instanceof TypeError && /dynamically imported module|module script/i.test(error.message)
  );
}

export function RouteFailed() {
  const error = useRouteError();
  const stale = isStaleBuild(error);
  useEffect(() => {
    document.title = "Something went wrong · TaskFlow";
  }, []);
  const failure = stale
    ? {
        code: "new_version",
        title: "TaskFlow was updated",
        detail: "Load the page again to go on.",
        requestId: null,
      }
    : failureOf(error);
  return (
    <div className="pt-16">
      <Failed failure={failure} onRetry={() => location.reload()} />
    </div>
  );
}
