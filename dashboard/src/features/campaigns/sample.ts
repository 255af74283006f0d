import type { Campaign, Recipient } from "@/api/types";

/** The fields one recipient's mail is rendered with: the campaign's own values, then theirs, then the address. */
export function sampleOf(
  campaign: Campaign,
  recipient: Recipient | undefined,
): Record<string, string> {
  const merged = { ...campaign.template_variables, ...recipient?.personalization };
  const fields = Object.entries(merged).map(([key, value]): [string, string] => [
    key,
    String(value ?? ""),
  ]);
  return { ...Object.fromEntries(fields), ...(recipient ? { email: recipient.email } : {}) };
}
