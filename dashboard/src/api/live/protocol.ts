/** What crosses the WebSocket. */
export interface LiveEvent {
  topic: string;
  type: string;
  data: Record<string, unknown>;
}

export type ServerMessage =
  // `quiet_ms`: how long ago the last event was, on whatever topic.
  | { type: "subscribed"; topics: string[]; cursor: string | null; quiet_ms: number }
  | { type: "events"; cursor: string; events: LiveEvent[] }
  | { type: "resync"; topics: string[]; cursor: string | null }
  | { type: "ping"; cursor: string | null }
  | { type: "error"; code?: string; detail?: string };

export type Command =
  | { op: "subscribe"; topics: string[]; cursor: string | null }
  | { op: "unsubscribe"; topics: string[] };

/** An event comes once, under the narrowest topic asked for; who listens to all tasks wants those of one task too. */
export function covers(topic: string, narrower: string): boolean {
  return topic === narrower || narrower.startsWith(`${topic.replace(/s$/, "")}:`);
}

/** Delay before try number `attempt` (from 0): 0.5 s doubling to 15 s, half of it random so that tabs spread out. */
export function backoff(attempt: number, random: () => number = Math.random): number {
  const ceiling = Math.min(500 * 2 ** attempt, 15_000);
  return ceiling / 2 + (ceiling / 2) * random();
}
