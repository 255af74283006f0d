/** What crosses the WebSocket. */
export interface LiveEvent {
  topic: string;
  type: string;
  data: Record<string, unknown>;
}

export type ServerMessage =
  | { type: "subscribed"; cursor: string | null }
  | { type: "events"; cursor: string; events: LiveEvent[] }
  | { type: "resync"; cursor: string | null }
  | { type: "ping" }
  | { type: "error"; code?: string; detail?: string };

export interface SubscribeMessage {
  op: "subscribe";
  topics: string[];
  cursor: string | null;
}

/** Delay before try number `attempt` (from 0): 0.5 s doubling to 15 s, half of it random so that tabs spread out. */
export function backoff(attempt: number, random: () => number = Math.random): number {
  const ceiling = Math.min(500 * 2 ** attempt, 15_000);
  return ceiling / 2 + (ceiling / 2) * random();
}
