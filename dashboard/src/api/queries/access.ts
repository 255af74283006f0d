/** Users, API keys and the audit log. */
import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import { api, body } from "../client";
import type { ApiKey, AuditEntry, NewApiKey, Page, Role, User } from "../types";
import { given, paged, pageLimit } from "./pages";

export const accessKeys = {
  users: ["users"] as const,
  apiKeys: ["api-keys"] as const,
  audit: ["audit-log"] as const,
};

export function usersQuery() {
  return queryOptions({
    queryKey: accessKeys.users,
    queryFn: ({ signal }) => body<Page<User>>(api.GET("/api/v1/users", { signal })),
  });
}

export function createUser(user: { email: string; password: string; role: Role }) {
  return body<User>(api.POST("/api/v1/users", { body: user }));
}

export function changeUser(userId: string, change: { role?: Role; is_active?: boolean }) {
  return body<User>(
    api.PATCH("/api/v1/users/{user_id}", { params: { path: { user_id: userId } }, body: change }),
  );
}

export function apiKeysQuery() {
  return queryOptions({
    queryKey: accessKeys.apiKeys,
    queryFn: ({ signal }) => body<Page<ApiKey>>(api.GET("/api/v1/api-keys", { signal })),
  });
}

export function createApiKey(key: { name: string; role: Role }) {
  return body<NewApiKey>(
    api.POST("/api/v1/api-keys", { body: { ...key, scopes: [], from_domains: [] } }),
  );
}

export async function revokeApiKey(keyId: string): Promise<void> {
  await api.DELETE("/api/v1/api-keys/{key_id}", { params: { path: { key_id: keyId } } });
}

export function auditQuery() {
  return infiniteQueryOptions({
    queryKey: accessKeys.audit,
    queryFn: ({ pageParam, signal }) =>
      body<Page<AuditEntry>>(
        api.GET("/api/v1/audit-log", {
          params: { query: given({ cursor: pageParam, limit: pageLimit(pageParam) }) },
          signal,
        }),
      ),
    ...paged,
  });
}
