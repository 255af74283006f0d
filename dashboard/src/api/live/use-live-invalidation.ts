import { type QueryKey, useQueryClient } from "@tanstack/react-query";
import { useEffect, useMemo, useRef } from "react";
import { useLive } from ".";
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
  const client = useQueryClient();
  const latest = useRef(keys);
  useEffect(() => {
    latest.current = keys;
  });
  const invalidate = useMemo(
    () =>
      throttle(() => {
        for (const queryKey of latest.current) void client.invalidateQueries({ queryKey });
      }, everyMs),
    [client, everyMs],
  );
  useEffect(() => invalidate.cancel, [invalidate]);
  useLive(topics, invalidate, invalidate);
}
