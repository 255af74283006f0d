/**
 * The topics of this tab, and since when the server sends them.
 *
 * What was read before the server sent a topic may lack what happened in between. The server says how long ago the last
 * event was; so each topic knows when something last may have happened on it, and only what is older is read again.
 */
import { covers } from "./protocol";

interface Topic {
  listeners: number;
  /** When something last may have happened, on the clock of `performance.now()`; null: the server does not send it yet. */
  changedAt: number | null;
}

export class Topics {
  private readonly known = new Map<string, Topic>();
  /** Left, but not yet out of the server's answers: those still speak of the time before. */
  private readonly leaving = new Set<string>();

  get names(): string[] {
    return [...this.known.keys()];
  }

  /** Counts a listener, and returns the topics that nobody has listened to before. */
  join(topics: string[]): string[] {
    const fresh = topics.filter((topic) => !this.known.has(topic));
    for (const name of topics) {
      const topic = this.known.get(name);
      if (topic) topic.listeners += 1;
      else this.known.set(name, { listeners: 1, changedAt: null });
    }
    return fresh;
  }

  /** Takes a listener off, and returns the topics that nobody listens to any more. */
  leave(topics: string[]): string[] {
    return topics.filter((name) => {
      const topic = this.known.get(name);
      if (!topic) return false;
      topic.listeners -= 1;
      if (topic.listeners > 0) return false;
      this.known.delete(name);
      this.leaving.add(name);
      return true;
    });
  }

  /** A new socket knows nothing of what was left on the last one. */
  reopened(): void {
    this.leaving.clear();
  }

  /** The server sends `sent`; what happened before `changedAt` on those that are new, it has not. */
  answered(sent: string[], changedAt: number): void {
    for (const name of [...this.leaving]) if (!sent.includes(name)) this.leaving.delete(name);
    for (const name of sent) {
      const topic = this.known.get(name);
      if (topic && topic.changedAt === null && !this.leaving.has(name)) topic.changedAt = changedAt;
    }
  }

  /** Something has happened under an event's topic, or, without one, perhaps under any. */
  changed(at: number, eventTopic?: string): void {
    for (const [name, topic] of this.known) {
      const touched = eventTopic === undefined || covers(name, eventTopic);
      if (topic.changedAt !== null && touched) topic.changedAt = at;
    }
  }

  /** When something last may have happened on `topics`; null while the server does not send all of them. */
  changedAt(topics: string[]): number | null {
    const times = topics.map((name) => this.known.get(name)?.changedAt ?? null);
    return times.includes(null) ? null : Math.max(...(times as number[]));
  }
}
