import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { LiveConnection } from "@/api/live/connection";
import { covers, type LiveEvent } from "@/api/live/protocol";
import { throttle } from "@/api/live/throttle";

class FakeSocket {
  static readonly opened: FakeSocket[] = [];
  readyState = 1;
  sent: unknown[] = [];
  onopen?: () => void;
  onmessage?: (message: { data: string }) => void;
  onclose?: () => void;
  constructor() {
    FakeSocket.opened.push(this);
  }
  send(text: string) {
    this.sent.push(JSON.parse(text));
  }
  close() {
    this.readyState = 3;
    this.onclose?.();
  }
  say(message: unknown) {
    this.onmessage?.({ data: JSON.stringify(message) });
  }
}

const latest = () => FakeSocket.opened.at(-1) as FakeSocket;

function connection(ticket = async (): Promise<string | null> => "ticket") {
  return new LiveConnection({ ticket, open: () => new FakeSocket() as unknown as WebSocket });
}

async function opened(
  live: LiveConnection,
  topics: string[],
  onEvents = vi.fn(),
  onMissed = vi.fn(),
) {
  const stop = live.listen(topics, { onEvents, onMissed });
  await vi.advanceTimersByTimeAsync(0);
  latest().onopen?.();
  latest().say(subscribed(topics));
  return { stop, onEvents, onMissed };
}

function subscribed(topics: string[], quiet_ms = 60_000) {
  return { type: "subscribed", topics, cursor: "g:1-0", quiet_ms };
}

beforeEach(() => {
  vi.useFakeTimers();
  FakeSocket.opened.length = 0;
});
afterEach(() => {
  vi.useRealTimers();
});

describe("the live connection", () => {
  it("subscribes, delivers and goes on from its cursor after a cut", async () => {
    const live = connection();
    const { onEvents } = await opened(live, ["tasks"]);
    const events: LiveEvent[] = [{ topic: "tasks", type: "task.status", data: { task_id: "1" } }];
    latest().say({ type: "events", cursor: "g:2-0", events });
    expect(onEvents).toHaveBeenCalledWith(events);
    latest().close();
    expect(live.status).toBe("lost");
    await vi.advanceTimersByTimeAsync(1_000);
    latest().onopen?.();
    expect(latest().sent).toEqual([{ op: "subscribe", topics: ["tasks"], cursor: "g:2-0" }]);
    expect(live.status).toBe("lost");
    latest().say({ type: "resync", topics: ["tasks"], cursor: "h:1-0" });
    expect(live.status).toBe("live");
  });
  it("tells everybody to read again when the cursor cannot be continued", async () => {
    const { onMissed } = await opened(connection(), ["campaigns"]);
    onMissed.mockClear();
    latest().say({ type: "resync", topics: ["campaigns"], cursor: "h:1-0" });
    expect(onMissed.mock.calls).toEqual([[performance.now()]]);
  });
  it("leaves a topic with its last listener and adds new ones without a cursor", async () => {
    const live = connection();
    const { stop } = await opened(live, ["tasks"]);
    const second = live.listen(["tasks", "workers"], { onEvents: vi.fn(), onMissed: vi.fn() });
    stop();
    second();
    expect(latest().sent.slice(1)).toEqual([
      { op: "subscribe", topics: ["workers"], cursor: null },
      { op: "unsubscribe", topics: ["tasks", "workers"] },
    ]);
  });
  it("tells a listener what may be missing once the server sends its topics", async () => {
    const live = connection();
    await opened(live, ["workers"]);
    const onMissed = vi.fn();
    live.listen(["workers", "tasks"], { onEvents: vi.fn(), onMissed });
    latest().say(subscribed(["workers"]));
    expect(onMissed).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(400);
    latest().say(subscribed(["tasks", "workers"], 150));
    expect(onMissed.mock.calls).toEqual([[performance.now() - 150]]);
    latest().say(subscribed(["tasks", "workers"], 0));
    expect(onMissed).toHaveBeenCalledOnce();
  });
  it("tells everybody when the last event was once the line stands again", async () => {
    const live = connection();
    const { onMissed } = await opened(live, ["tasks"]);
    const lastEvent = performance.now() - 60_000;
    latest().close();
    await vi.advanceTimersByTimeAsync(1_000);
    onMissed.mockClear();
    latest().onopen?.();
    latest().say(subscribed(["tasks"]));
    expect(onMissed.mock.calls).toEqual([[lastEvent]]);
  });
  it("tells a later listener of a topic when its last event was", async () => {
    const live = connection();
    await opened(live, ["tasks"]);
    await vi.advanceTimersByTimeAsync(100);
    latest().say({ type: "events", cursor: "g:2-0", events: [{ topic: "task:1" }] });
    const lastEvent = performance.now();
    await vi.advanceTimersByTimeAsync(100);
    const onMissed = vi.fn();
    live.listen(["tasks"], { onEvents: vi.fn(), onMissed });
    expect(onMissed.mock.calls).toEqual([[lastEvent]]);
  });
  it("does not take an answer from before a topic was left for the answer to its return", async () => {
    const live = connection();
    const { stop } = await opened(live, ["tasks"]);
    stop();
    const onMissed = vi.fn();
    live.listen(["tasks"], { onEvents: vi.fn(), onMissed });
    latest().say(subscribed(["tasks"])); // on its way when the topic was left
    latest().say(subscribed([])); // left
    expect(onMissed).not.toHaveBeenCalled();
    latest().say(subscribed(["tasks"])); // back
    expect(onMissed).toHaveBeenCalledOnce();
  });
  it("hangs up in a hidden tab and comes back", async () => {
    const live = connection();
    await opened(live, ["tasks"]);
    live.setHidden(true);
    await vi.advanceTimersByTimeAsync(25_000);
    expect(live.status).toBe("idle");
    live.setHidden(false);
    await vi.advanceTimersByTimeAsync(0);
    expect(FakeSocket.opened).toHaveLength(2);
  });
  it("does nothing for somebody who is not signed in", async () => {
    const live = connection(async () => null);
    live.listen(["tasks"], { onEvents: vi.fn(), onMissed: vi.fn() });
    await vi.advanceTimersByTimeAsync(0);
    expect(live.status).toBe("idle");
    expect(FakeSocket.opened).toHaveLength(0);
  });
  it("gives events of one task to those who listen to all", () => {
    expect(covers("tasks", "task:1")).toBe(true);
    expect(covers("task:1", "task:1")).toBe(true);
    expect(covers("task:1", "tasks")).toBe(false);
    expect(covers("campaigns", "task:1")).toBe(false);
  });
});

describe("throttle", () => {
  it("runs at once, then once more for a whole burst", () => {
    const action = vi.fn();
    const throttled = throttle(action, 1_000);
    for (let i = 0; i < 50; i++) throttled();
    expect(action).toHaveBeenCalledTimes(1);
    vi.advanceTimersByTime(1_000);
    expect(action).toHaveBeenCalledTimes(2);
  });
});
