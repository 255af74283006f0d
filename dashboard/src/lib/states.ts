/** Every status of the API, with the colour and the word the dashboard shows for it. */
export type Tone = "running" | "done" | "waiting" | "retrying" | "failed" | "uncertain";

export interface StateLook {
  tone: Tone;
  label: string;
  /** The shape says the same as the colour, for those who do not see it. */
  shape:
    | "dashed"
    | "clock"
    | "half"
    | "check"
    | "retry"
    | "cross"
    | "question"
    | "pause"
    | "stop"
    | "dot";
}

const look = (tone: Tone, label: string, shape: StateLook["shape"]): StateLook => ({
  tone,
  label,
  shape,
});

const tasks: Record<string, StateLook> = {
  PENDING: look("waiting", "Pending", "dashed"),
  SCHEDULED: look("waiting", "Scheduled", "clock"),
  BLOCKED: look("waiting", "Blocked", "stop"),
  RUNNING: look("running", "Running", "half"),
  COMPLETED: look("done", "Completed", "check"),
  FAILED: look("failed", "Failed", "cross"),
  TIMEOUT: look("failed", "Timeout", "clock"),
  CANCELLED: look("waiting", "Cancelled", "stop"),
  RETRYING: look("retrying", "Retrying", "retry"),
};

const attempts: Record<string, StateLook> = {
  ...tasks,
  CRASHED: look("failed", "Crashed", "cross"),
  RELEASED: look("waiting", "Released", "retry"),
};

const campaigns: Record<string, StateLook> = {
  DRAFT: look("waiting", "Draft", "dashed"),
  SCHEDULED: look("waiting", "Scheduled", "clock"),
  RUNNING: look("running", "Running", "half"),
  PAUSED: look("retrying", "Paused", "pause"),
  COMPLETED: look("done", "Completed", "check"),
  FAILED: look("failed", "Failed", "cross"),
  CANCELLED: look("waiting", "Cancelled", "stop"),
};

const recipients: Record<string, StateLook> = {
  PENDING: look("waiting", "Pending", "dashed"),
  SENDING: look("running", "Sending", "half"),
  SENT: look("done", "Sent", "check"),
  FAILED: look("failed", "Failed", "cross"),
  BOUNCED: look("failed", "Bounced", "cross"),
  DEFERRED: look("retrying", "Deferred", "retry"),
  UNCERTAIN: look("uncertain", "Uncertain", "question"),
  SUPPRESSED: look("waiting", "Suppressed", "stop"),
  UNSUBSCRIBED: look("waiting", "Unsubscribed", "stop"),
  CANCELLED: look("waiting", "Cancelled", "stop"),
};

const workers: Record<string, StateLook> = {
  ACTIVE: look("done", "Active", "dot"),
  IDLE: look("done", "Idle", "dot"),
  BUSY: look("running", "Busy", "half"),
  PAUSED: look("retrying", "Paused", "pause"),
  DRAINING: look("retrying", "Draining", "clock"),
  DEAD: look("failed", "Dead", "cross"),
  STOPPED: look("waiting", "Stopped", "stop"),
};

/** A node that left in good order is stopped, not dead, though both are gone. */
export function workerState(worker: { status: string; stopped_at: string | null }): string {
  return worker.status === "DEAD" && worker.stopped_at !== null ? "STOPPED" : worker.status;
}

export const states = {
  task: tasks,
  attempt: attempts,
  campaign: campaigns,
  recipient: recipients,
  worker: workers,
};
export type StateKind = keyof typeof states;

export function stateLook(kind: StateKind, status: string): StateLook {
  return (
    states[kind][status] ?? look("waiting", status.charAt(0) + status.slice(1).toLowerCase(), "dot")
  );
}

/** A retry waits as SCHEDULED; to people that is "retrying", not "scheduled for later". */
export function taskStatus(task: { status: string; retry_count: number }): string {
  return task.status === "SCHEDULED" && task.retry_count > 0 ? "RETRYING" : task.status;
}

export const taskStatuses = [
  "PENDING",
  "SCHEDULED",
  "BLOCKED",
  "RUNNING",
  "COMPLETED",
  "FAILED",
  "TIMEOUT",
  "CANCELLED",
];
export const campaignStatuses = [
  "RUNNING",
  "DRAFT",
  "SCHEDULED",
  "PAUSED",
  "COMPLETED",
  "FAILED",
  "CANCELLED",
];
export const recipientStatuses = [
  "SENT",
  "FAILED",
  "UNCERTAIN",
  "DEFERRED",
  "PENDING",
  "SENDING",
  "SUPPRESSED",
  "BOUNCED",
  "CANCELLED",
];
