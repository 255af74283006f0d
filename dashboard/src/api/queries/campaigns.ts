import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import { api, body, raw } from "../client";
import type {
  Campaign,
  CampaignStatus,
  Page,
  Preview,
  Proof,
  Recipient,
  RecipientStatus,
  Resolution,
} from "../types";
import { given, PAGE_SIZE, paged, pageLimit } from "./pages";

export type CampaignAction = "start" | "pause" | "resume" | "cancel";

export interface PreviewInput {
  template_subject: string;
  template_body: string;
  template_text?: string;
  template_variables?: Record<string, unknown>;
  sample: Record<string, string>;
}

export const campaignKeys = {
  all: ["campaigns"] as const,
  lists: () => [...campaignKeys.all, "list"] as const,
  list: (status: string, limit: number) => [...campaignKeys.lists(), status, limit] as const,
  detail: (campaignId: string) => [...campaignKeys.all, "detail", campaignId] as const,
  recipients: (campaignId: string) => [...campaignKeys.all, "recipients", campaignId] as const,
};

export function campaignsQuery(status = "", limit = PAGE_SIZE) {
  return infiniteQueryOptions({
    queryKey: campaignKeys.list(status, limit),
    queryFn: ({ pageParam, signal }) =>
      body<Page<Campaign>>(
        api.GET("/api/v1/campaigns", {
          params: {
            query: given({
              status: status as CampaignStatus,
              cursor: pageParam,
              limit: pageLimit(pageParam, limit),
            }),
          },
          signal,
        }),
      ),
    ...paged,
  });
}

export function campaignQuery(campaignId: string) {
  return queryOptions({
    queryKey: campaignKeys.detail(campaignId),
    queryFn: ({ signal }) =>
      body<Campaign>(
        api.GET("/api/v1/campaigns/{campaign_id}", {
          params: { path: { campaign_id: campaignId } },
          signal,
        }),
      ),
  });
}

export function recipientsQuery(campaignId: string, status = "") {
  return infiniteQueryOptions({
    queryKey: [...campaignKeys.recipients(campaignId), status],
    queryFn: ({ pageParam, signal }) =>
      body<Page<Recipient>>(
        api.GET("/api/v1/campaigns/{campaign_id}/recipients", {
          params: {
            path: { campaign_id: campaignId },
            query: given({
              status: status as RecipientStatus,
              cursor: pageParam,
              limit: pageLimit(pageParam),
            }),
          },
          signal,
        }),
      ),
    ...paged,
  });
}

export function actOnCampaign(campaignId: string, action: CampaignAction): Promise<Campaign> {
  const params = { path: { campaign_id: campaignId } };
  switch (action) {
    case "start":
      return body(api.POST("/api/v1/campaigns/{campaign_id}/start", { params }));
    case "pause":
      return body(api.POST("/api/v1/campaigns/{campaign_id}/pause", { params }));
    case "resume":
      return body(api.POST("/api/v1/campaigns/{campaign_id}/resume", { params }));
    case "cancel":
      return body(api.POST("/api/v1/campaigns/{campaign_id}/cancel", { params }));
  }
}

/** Decides about mails that may or may not have gone out: all of a campaign, or the named ones. */
export function resolveUncertain(campaignId: string, as: Resolution, recipientIds?: string[]) {
  return body<{ resolved: number }>(
    api.POST("/api/v1/campaigns/{campaign_id}/recipients/resolve", {
      params: { path: { campaign_id: campaignId } },
      body: { as, ...(recipientIds ? { recipient_ids: recipientIds } : {}) },
    }),
  );
}

/** Multipart, because of the CSV: the file goes up as it is and the server streams it in. */
export async function createCampaign(form: FormData): Promise<Campaign> {
  const response = await raw("/campaigns", {
    method: "POST",
    body: form,
    headers: { "Idempotency-Key": crypto.randomUUID() },
  });
  return (await response.json()) as Campaign;
}

export function previewQuery(input: PreviewInput) {
  return queryOptions({
    queryKey: [...campaignKeys.all, "preview", input],
    queryFn: ({ signal }) =>
      body<Preview>(
        api.POST("/api/v1/campaigns/preview", {
          body: { template_variables: {}, ...input },
          signal,
        }),
      ),
    staleTime: Number.POSITIVE_INFINITY,
  });
}

/** The mail of a saved campaign as somebody with these values gets it. */
export function proofQuery(campaignId: string, sample: Record<string, unknown>) {
  return queryOptions({
    queryKey: [...campaignKeys.all, "proof", campaignId, sample],
    queryFn: ({ signal }) =>
      body<Proof>(
        api.POST("/api/v1/campaigns/{campaign_id}/preview", {
          params: { path: { campaign_id: campaignId } },
          body: { sample },
          signal,
        }),
      ),
    staleTime: Number.POSITIVE_INFINITY,
  });
}
