/** What the form holds, what is wrong with it, and how it goes to the API. */
import type { CsvHead } from "./csv";

/** A variable that has one value for all recipients. */
export interface SharedValue {
  key: string;
  name: string;
  value: string;
}

export interface Draft {
  name: string;
  fromEmail: string;
  fromName: string;
  replyTo: string;
  subject: string;
  body: string;
  /** Mails a minute as typed; empty means no limit. */
  rate: string;
  /** Local date and time as the browser's control gives it; empty means when started by hand. */
  scheduledAt: string;
  uncertainPolicy: string;
  shared: SharedValue[];
}

export const emptyDraft: Draft = {
  name: "",
  fromEmail: "",
  fromName: "",
  replyTo: "",
  subject: "",
  body: `<!doctype html>
<html>
  <body style="font-family: sans-serif; max-width: 560px; margin: 0 auto; padding: 24px">
    <h1>Hello {{ name | default("there") }}</h1>
    <p>Write your mail here.</p>
  </body>
</html>
`,
  rate: "100",
  scheduledAt: "",
  uncertainPolicy: "hold",
  shared: [],
};

export type DraftErrors = Partial<Record<keyof Draft | "file", string>>;

const ADDRESS = /^[^\s@]+@[^\s@]+$/;

export function check(draft: Draft, file: File | null, head: CsvHead | null): DraftErrors {
  const errors: DraftErrors = {};
  if (!file || !head) errors.file = "Choose the file with the recipients.";
  else if (head.columns.length === 0) errors.file = "The file is empty.";
  else if (head.emailColumn === null) errors.file = "No column looks like addresses.";
  if (!draft.name.trim()) errors.name = "Give the campaign a name.";
  if (!ADDRESS.test(draft.fromEmail.trim()))
    errors.fromEmail = "Enter the address the mail comes from.";
  if (draft.replyTo.trim() && !ADDRESS.test(draft.replyTo.trim()))
    errors.replyTo = "This is no address.";
  if (!draft.subject.trim()) errors.subject = "Write a subject.";
  if (!draft.body.trim()) errors.body = "Write the mail.";
  if (draft.rate && !(Number.isInteger(Number(draft.rate)) && Number(draft.rate) > 0)) {
    errors.rate = "A whole number above 0, or nothing for no limit.";
  }
  if (draft.scheduledAt && Date.parse(draft.scheduledAt) <= Date.now())
    errors.scheduledAt = "This time has passed.";
  return errors;
}

export function sharedValues(draft: Draft): Record<string, string> {
  const named = draft.shared.filter(({ name }) => name.trim() !== "");
  return Object.fromEntries(named.map(({ name, value }) => [name.trim(), value]));
}

export function toForm(draft: Draft, file: File): FormData {
  const form = new FormData();
  form.set("name", draft.name.trim());
  form.set("template_subject", draft.subject);
  form.set("template_body", draft.body);
  form.set("template_variables", JSON.stringify(sharedValues(draft)));
  form.set("from_email", draft.fromEmail.trim());
  if (draft.fromName.trim()) form.set("from_name", draft.fromName.trim());
  if (draft.replyTo.trim()) form.set("reply_to", draft.replyTo.trim());
  // The column defaults to 100 a minute; "null" is how a form says that there is no limit.
  form.set("rate_limit_per_minute", draft.rate || "null");
  if (draft.scheduledAt) form.set("scheduled_at", new Date(draft.scheduledAt).toISOString());
  form.set("uncertain_policy", draft.uncertainPolicy);
  form.set("recipients", file, file.name);
  return form;
}
