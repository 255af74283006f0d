import { useInfiniteQuery } from "@tanstack/react-query";
import { auditQuery } from "@/api/queries/access";
import { flatten } from "@/api/queries/pages";
import { Button } from "@/components/ui/button";
import { CopyId } from "@/components/ui/copy";
import { Skeleton } from "@/components/ui/feedback";
import { Panel } from "@/components/ui/panel";
import { Time } from "@/components/ui/time";
import { Loaded } from "@/features/shared/loaded";

/** Every change that somebody made, newest first. */
export function AuditLog() {
  const query = useInfiniteQuery(auditQuery());
  const entries = flatten(query.data);
  return (
    <Panel title="Audit log" flush>
      <Loaded query={query} skeleton={<Skeleton className="m-4 h-64" />} compact>
        {() => (
          <>
            <ul className="divide-y divide-line">
              {entries.map((entry) => (
                <li
                  key={entry.audit_id}
                  className="flex flex-wrap items-baseline gap-x-4 px-4 py-2 text-sm"
                >
                  <span className="w-40 shrink-0 truncate font-medium max-sm:w-[calc(100%-6rem)]">
                    {entry.action}
                  </span>
                  <span className="min-w-0 flex-1 truncate text-muted max-sm:order-1">
                    {entry.target_type} {entry.target_id && <CopyId id={entry.target_id} />}
                  </span>
                  <span className="text-muted max-sm:order-2">{entry.actor}</span>
                  <Time iso={entry.created_at} className="w-20 text-right text-faint" />
                </li>
              ))}
            </ul>
            {entries.length === 0 && (
              <p className="px-4 py-6 text-center text-muted text-sm">Nothing was changed yet.</p>
            )}
            {query.hasNextPage && (
              <div className="border-t p-2 text-center">
                <Button
                  variant="ghost"
                  busy={query.isFetchingNextPage}
                  onClick={() => void query.fetchNextPage()}
                >
                  Show older
                </Button>
              </div>
            )}
          </>
        )}
      </Loaded>
    </Panel>
  );
}
