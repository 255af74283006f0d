/** The nouns of the API under the names the dashboard uses. Shapes come from `schema.gen.ts`. */
import type { components } from "./schema.gen";

type Schemas = components["schemas"];

export type User = Schemas["User"];
export type Role = User["role"];
export type TokenPair = Schemas["TokenPair"];
export type ApiKey = Schemas["ApiKey"];
export type AuditEntry = Schemas["AuditEntry"];
export type Task = Schemas["Task"];
export type TaskDetail = Schemas["TaskDetail"];
export type Execution = Schemas["Execution"];
export type TaskLog = Schemas["TaskLog"];
export type Worker = Schemas["Worker"];
export type DeadLetter = Schemas["DeadLetter"];
export type Campaign = Schemas["Campaign"];
export type Progress = Schemas["Progress"];
export type ImportReport = Schemas["ImportReport"];
export type Recipient = Schemas["Recipient"];
export type Preview = Schemas["Preview"];
export type Mail = Schemas["Mail"];
export type MailDetail = Schemas["MailDetail"];
export type InboxRule = Schemas["InboxRule"];
export type Stats = Schemas["Stats"];

export interface Page<T> {
  items: T[];
  next_cursor: string | null;
}
