import type { Recipient } from "@/api/types";

/** What one recipient adds to the campaign's own values: their fields and their address. */
export function sampleOf(recipient: Recipient | undefined): Record<string, string> {
  const fields = Object.entries(recipient?.personalization ?? {}).map(
    ([key, value]): [string, string] => [key, String(value ?? "")],
  );
  return { ...Object.fromEntries(fields), ...(recipient ? { email: recipient.email } : {}) };
}
