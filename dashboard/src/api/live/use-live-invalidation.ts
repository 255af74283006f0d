import type { QueryKey } from "@tanstack/react-query";
import { useEffect, useMemo, useRef } from "react";
import { reads, useLive } from ".";
import { throttle } from "./throttle";

/**
 * Reads `keys` again when something happens on `topics`, at most once in `everyMs`: a campaign of 10,000 mails makes
 * thousands of events a second and the API admits a hundred requests a minute.
 */
export function useLiveInvalidation(
  topics: readonly string[],
  keys: readonly QueryKey[],
  everyMs = 5_000,
): void {
  const latest = useRef(keys);
  const until = useRef(0);
  useEffect(() => {
    latest.current = keys;
  });
  const again = useMemo(
    () =>
      throttle(() => {
        for (const queryKey of latest.current) reads.again(queryKey, until.current);
      }, everyMs),
    [everyMs],
  );
  useEffect(() => again.cancel, [again]);
  const changed = (at: number) => {
    until.current = Math.max(until.current, at);
    again();
  };
  useLive(
    topics,
    () => changed(performance.now()),
    (at) => {
      if (latest.current.some((queryKey) => reads.older(queryKey, at))) changed(at);
    },
  );
}
