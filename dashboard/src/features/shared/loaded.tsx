import { type ReactNode, useState } from "react";
import { failureOf } from "@/api/failure";
import { Failed } from "@/components/ui/feedback";

interface QueryLike<T> {
  data: T | undefined;
  error: Error | null;
  /** How often this query has failed; a new key starts at 0. */
  errorUpdateCount: number;
  refetch: () => unknown;
}

interface LoadedProps<T> {
  query: QueryLike<T>;
  skeleton: ReactNode;
  compact?: boolean;
  children: (data: T) => ReactNode;
}

/** Content once it is there. A failed refresh keeps what is on the screen: old news is better than none. */
export function Loaded<T>({ query, skeleton, compact = false, children }: LoadedProps<T>) {
  // While it is tried again the error stays: a page that flickers between the two says nothing.
  const [last, setLast] = useState<Error | null>(null);
  if (query.error && query.error !== last) setLast(query.error);
  const error = query.error ?? (query.errorUpdateCount > 0 ? last : null);
  if (query.data !== undefined) return children(query.data);
  if (error) {
    return <Failed failure={failureOf(error)} onRetry={() => query.refetch()} compact={compact} />;
  }
  return skeleton;
}
