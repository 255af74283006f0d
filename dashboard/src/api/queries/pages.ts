/** What every cursor-paged list shares. */
import type { InfiniteData } from "@tanstack/react-query";
import type { Page } from "../types";

export const PAGE_SIZE = 100;
const FURTHER_SIZE = 500;

/** A first page is there quickly; who scrolls on gets larger ones, and spends few of their requests a minute. */
export function pageLimit(cursor: string | undefined, first = PAGE_SIZE): number {
  return cursor === undefined ? first : FURTHER_SIZE;
}

export const paged = {
  initialPageParam: undefined as string | undefined,
  getNextPageParam: (last: { next_cursor?: string | null }) => last.next_cursor ?? undefined,
};

export function flatten<T>(data: InfiniteData<Page<T>> | undefined): T[] {
  return data?.pages.flatMap((page) => page.items) ?? [];
}

/** Drops empty values, so that a cleared filter leaves no `?status=`. */
export function given<T extends Record<string, unknown>>(query: T): T {
  return Object.fromEntries(
    Object.entries(query).filter(
      ([, value]) => value !== "" && value !== undefined && value !== null,
    ),
  ) as T;
}
