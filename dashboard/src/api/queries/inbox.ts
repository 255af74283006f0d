import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import { api, body } from "../client";
import type { InboxRule, Mail, MailDetail, Page } from "../types";
import { given, paged, pageLimit } from "./pages";

export const inboxKeys = {
  all: ["inbox"] as const,
  lists: () => [...inboxKeys.all, "list"] as const,
  list: (q: string) => [...inboxKeys.lists(), q] as const,
  detail: (messageId: string) => [...inboxKeys.all, "detail", messageId] as const,
  rules: () => [...inboxKeys.all, "rules"] as const,
};

export function inboxQuery(q = "") {
  return infiniteQueryOptions({
    queryKey: inboxKeys.list(q),
    queryFn: ({ pageParam, signal }) =>
      body<Page<Mail>>(
        api.GET("/api/v1/inbox", {
          params: { query: given({ q, cursor: pageParam, limit: pageLimit(pageParam) }) },
          signal,
        }),
      ),
    ...paged,
  });
}

export function mailQuery(messageId: string) {
  return queryOptions({
    queryKey: inboxKeys.detail(messageId),
    queryFn: ({ signal }) =>
      body<MailDetail>(
        api.GET("/api/v1/inbox/{message_id}", {
          params: { path: { message_id: messageId } },
          signal,
        }),
      ),
    // A received mail never changes.
    staleTime: Number.POSITIVE_INFINITY,
  });
}

export function rulesQuery() {
  return queryOptions({
    queryKey: inboxKeys.rules(),
    queryFn: ({ signal }) => body<InboxRule[]>(api.GET("/api/v1/inbox/rules", { signal })),
  });
}

export function saveRules(rules: InboxRule[]) {
  return body<InboxRule[]>(api.PUT("/api/v1/inbox/rules", { body: rules }));
}

export async function emptyInbox(): Promise<void> {
  await api.DELETE("/api/v1/inbox");
}
