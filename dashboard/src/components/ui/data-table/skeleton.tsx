import { useNarrow } from "@/lib/media";
import { Skeleton } from "../feedback";

/** A table that is on its way: the same row heights, so that nothing jumps when it comes. */
export function TableSkeleton({
  rows = 12,
  cardHeight = 64,
}: {
  rows?: number;
  cardHeight?: number;
}) {
  const narrow = useNarrow();
  const height = narrow ? cardHeight : 36;
  return (
    <div role="status" aria-label="Loading" className="overflow-hidden">
      {!narrow && <div className="h-9 border-b" />}
      {Array.from({ length: rows }, (_, index) => (
        <div
          // biome-ignore lint/suspicious/noArrayIndexKey: placeholders have no identity
          key={index}
          className="flex items-center gap-6 border-b px-4"
          style={{ height }}
        >
          <Skeleton className="h-3 w-24" />
          <Skeleton className="h-3 w-40 max-md:hidden" />
          <Skeleton className="h-3 flex-1" />
          <Skeleton className="h-3 w-16" />
        </div>
      ))}
    </div>
  );
}
