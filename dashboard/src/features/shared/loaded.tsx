import type { ReactNode } from "react";
import { failureOf } from "@/api/failure";
import { Failed } from "@/components/ui/feedback";

interface QueryLike<T> {
  data: T | undefined;
  error: Error | null;
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
  if (query.data !== undefined) return children(query.data);
  if (query.error) {
    return (
      <Failed failure={failureOf(query.error)} onRetry={() => query.refetch()} compact={compact} />
    );
  }
  return skeleton;
}
