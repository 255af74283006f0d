/** The nouns of the API under the names the dashboard uses. Shapes come from `schema.gen.ts`. */
import type { components } from "./schema.gen";

type Schemas = components["schemas"];

export type Me = Schemas["Me"];
export type User = Schemas["UserOut"];
export type Role = Schemas["Role"];
export type TokenPair = Schemas["SessionTokens"];
export type ApiKey = Schemas["KeyOut"];
export type NewApiKey = Schemas["KeyCreated"];
export type AuditEntry = Schemas["AuditOut"];
export type Task = Schemas["TaskOut"];
export type TaskStatus = Schemas["TaskStatus"];
export type TaskDetail = Schemas["TaskDetail"];
/** The client reads pairs as lists: `arguments` is a list of [argument, place]. */
type Edge = Omit<Schemas["EdgeOut"], "arguments"> & {
  arguments: (string | number | null)[][] | null;
};
export type TaskGraph = Omit<Schemas["GraphOut"], "edges"> & { edges: Edge[] };
export type Execution = Schemas["ExecutionOut"];
export type TaskLog = Schemas["LogOut"];
export type Worker = Schemas["WorkerOut"];
export type DeadLetter = Schemas["DeadLetterOut"];
export type Campaign = Schemas["CampaignOut"];
export type CampaignStatus = Schemas["CampaignStatus"];
export type Progress = Schemas["ProgressOut"];
export type ImportReport = Schemas["ImportOut"];
export type Recipient = Schemas["RecipientOut"];
export type RecipientStatus = Schemas["RecipientStatus"];
export type Resolution = Schemas["Resolve"]["as"];
export type Preview = Schemas["PreviewOut"];
export type Proof = Schemas["ProofOut"];
export type Mail = Schemas["Mail"];
export type MailDetail = Schemas["MailDetail"];
export type InboxRule = Schemas["InboxRule"];
export type Stats = Schemas["Stats"];

export interface Page<T> {
  items: T[];
  next_cursor?: string | null;
}
