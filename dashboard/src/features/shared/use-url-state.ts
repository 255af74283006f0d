import { useCallback } from "react";
import { useSearchParams } from "react-router";

/**
 * Filters, tabs and drawers as query parameters. Changing a filter replaces the entry in the history; `push` makes a
 * place that Back leaves again (a tab, a drawer).
 */
export function useUrlState() {
  const [params, setParams] = useSearchParams();
  const set = useCallback(
    (changes: Record<string, string | null>, how: "replace" | "push" = "replace") => {
      setParams(
        (current) => {
          const next = new URLSearchParams(current);
          for (const [key, value] of Object.entries(changes)) {
            if (value) next.set(key, value);
            else next.delete(key);
          }
          return next;
        },
        { replace: how === "replace" },
      );
    },
    [setParams],
  );
  const get = (key: string) => params.get(key) ?? "";
  return { get, set, search: params.toString() };
}
