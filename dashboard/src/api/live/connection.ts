/**
 * One WebSocket for the whole tab.
 *
 * Topics are counted: the first listener subscribes, the last one leaves. A hidden tab hangs up after a while and comes
 * back with the cursor of the last batch it saw. Whatever a listener may not have heard, it is told of: when the server
 * begins to send its topics, and when the server cannot continue from a cursor and answers `resync`.
 */
import { backoff, type Command, covers, type LiveEvent, type ServerMessage } from "./protocol";
import { Topics } from "./topics";

export type LiveStatus = "idle" | "connecting" | "live" | "lost";

export interface LiveListener {
  onEvents: (events: LiveEvent[]) => void;
  /** Events up to `until` (on the clock of `performance.now()`) may be missing: what was read before needs another look. */
  onMissed: (until: number) => void;
}

export interface LiveOptions {
  /** A one-use ticket, or null when nobody is signed in. */
  ticket: () => Promise<string | null>;
  open: (ticket: string) => WebSocket;
}

const HIDDEN_GRACE_MS = 20_000;
/** The server pings; silence longer than this means the line is dead although nobody hung up. */
const SILENCE_MS = 45_000;

export class LiveConnection {
  status: LiveStatus = "idle";
  private socket: WebSocket | null = null;
  private cursor: string | null = null;
  private attempt = 0;
  private retryTimer: ReturnType<typeof setTimeout> | undefined;
  private silenceTimer: ReturnType<typeof setTimeout> | undefined;
  private hiddenTimer: ReturnType<typeof setTimeout> | undefined;
  private readonly topics = new Topics();
  private readonly listeners = new Map<LiveListener, string[]>();
  /** Those whose topics the server does not send yet. */
  private readonly waiting = new Set<LiveListener>();
  private readonly statusListeners = new Set<() => void>();
  private readonly options: LiveOptions;

  constructor(options: LiveOptions) {
    this.options = options;
  }

  listen(topics: string[], listener: LiveListener): () => void {
    this.listeners.set(listener, topics);
    this.waiting.add(listener);
    const fresh = this.topics.join(topics);
    if (this.status === "idle") void this.connect();
    // Without a cursor: what this socket has seen is not sent again for the sake of a new topic.
    else if (fresh.length > 0) this.say({ op: "subscribe", topics: fresh, cursor: null });
    this.tellWaiting();
    return () => {
      this.listeners.delete(listener);
      this.waiting.delete(listener);
      const unused = this.topics.leave(topics);
      if (unused.length > 0) this.say({ op: "unsubscribe", topics: unused });
    };
  }

  /** Tells those whose topics are sent by now what they may have missed before. */
  private tellWaiting(): void {
    for (const listener of [...this.waiting]) {
      const until = this.topics.changedAt(this.listeners.get(listener) ?? []);
      if (until === null) continue;
      this.waiting.delete(listener);
      listener.onMissed(until);
    }
  }

  onStatus(listener: () => void): () => void {
    this.statusListeners.add(listener);
    return () => this.statusListeners.delete(listener);
  }

  /** Try at once instead of waiting for the next attempt. */
  retryNow(): void {
    if (this.status !== "lost") return;
    clearTimeout(this.retryTimer);
    void this.connect();
  }

  setHidden(hidden: boolean): void {
    clearTimeout(this.hiddenTimer);
    if (hidden) this.hiddenTimer = setTimeout(() => this.hangUp(), HIDDEN_GRACE_MS);
    else if (this.status === "idle" && this.topics.names.length > 0) void this.connect();
  }

  /** Leaves without a sign: the tab is hidden or the user signed out. */
  hangUp(): void {
    clearTimeout(this.retryTimer);
    clearTimeout(this.silenceTimer);
    const socket = this.socket;
    this.socket = null;
    socket?.close();
    this.setStatus("idle");
  }

  private setStatus(status: LiveStatus): void {
    if (this.status === status) return;
    this.status = status;
    for (const listener of this.statusListeners) listener();
  }

  private async connect(): Promise<void> {
    // A retry stays "lost" on the screen until it has worked: a sign that flickers is worse than none.
    if (this.status === "idle") this.setStatus("connecting");
    const ticket = await this.options.ticket().catch(() => undefined);
    if (this.status === "idle") return;
    if (ticket === null) return this.hangUp();
    if (ticket === undefined) return this.lose();
    const socket = this.options.open(ticket);
    this.socket = socket;
    socket.onopen = () => {
      this.topics.reopened();
      this.say({ op: "subscribe", topics: this.topics.names, cursor: this.cursor });
    };
    socket.onmessage = (message: MessageEvent<string>) => {
      if (socket === this.socket) this.receive(JSON.parse(message.data) as ServerMessage);
    };
    socket.onclose = () => {
      if (socket === this.socket) this.lose();
    };
  }

  private say(command: Command): void {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(command));
  }

  private receive(message: ServerMessage): void {
    clearTimeout(this.silenceTimer);
    this.silenceTimer = setTimeout(() => this.socket?.close(), SILENCE_MS);
    if (message.type === "error") return;
    // What failed while the line was down is due now, although no event may ever tell.
    if (this.status === "lost")
      for (const listener of this.listeners.keys()) this.waiting.add(listener);
    if (message.cursor) this.cursor = message.cursor;
    if (message.type === "events") {
      this.deliver(message.events);
      return;
    }
    this.attempt = 0;
    this.setStatus("live");
    if (message.type === "subscribed") {
      this.topics.answered(message.topics, performance.now() - message.quiet_ms);
      this.tellWaiting();
    } else if (message.type === "resync") this.resync(message.topics);
  }

  private resync(topics: string[]): void {
    const now = performance.now();
    this.topics.answered(topics, now);
    this.topics.changed(now);
    for (const [listener, wanted] of [...this.listeners]) {
      if (this.topics.changedAt(wanted) === null) continue;
      this.waiting.delete(listener);
      listener.onMissed(now);
    }
  }

  private deliver(events: LiveEvent[]): void {
    const now = performance.now();
    for (const event of events) this.topics.changed(now, event.topic);
    for (const [listener, topics] of [...this.listeners]) {
      const wanted = events.filter((event) => topics.some((topic) => covers(topic, event.topic)));
      if (wanted.length > 0) listener.onEvents(wanted);
    }
  }

  private lose(): void {
    clearTimeout(this.silenceTimer);
    this.socket = null;
    this.setStatus("lost");
    this.retryTimer = setTimeout(() => void this.connect(), backoff(this.attempt));
    this.attempt += 1;
  }
}
