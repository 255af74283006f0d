import type { Query, QueryClient, QueryKey } from "@tanstack/react-query";

const NEVER = Number.NEGATIVE_INFINITY;

/**
 * When the data of each query was asked for. The cache knows when an answer came; but an answer may be older than an
 * event that overtook it.
 */
export class Reads {
  private readonly begun = new WeakMap<Query, number>();
  private readonly answered = new WeakMap<Query, number>();
  private readonly client: QueryClient;

  constructor(client: QueryClient) {
    this.client = client;
    client.getQueryCache().subscribe((event) => {
      if (event.type !== "updated") return;
      const { query, action } = event;
      if (action.type === "fetch" && !action.meta?.fetchMore)
        this.begun.set(query, performance.now());
      // A further page says nothing about the age of the first, a failure nothing about that of the data.
      else if (action.type === "fetch" || action.type === "error") this.begun.delete(query);
      else if (action.type === "success" && !action.manual) {
        const begun = this.begun.get(query);
        if (begun !== undefined) this.answered.set(query, begun);
      }
    });
  }

  /** Whether something under `queryKey` that is on the screen was asked for before `until`. */
  older(queryKey: QueryKey, until: number): boolean {
    return this.find(queryKey).some((query) => query.isActive() && this.since(query) < until);
  }

  /**
   * Reads what lies under `queryKey` again where it was asked for before `until`. A request that is on its way is let
   * end first: a first one would not be made anew (the cache joins it), and one that takes longer than events are
   * apart would never end.
   */
  again(queryKey: QueryKey, until: number): void {
    for (const query of this.find(queryKey)) {
      if (this.since(query) >= until) continue;
      const exact = { queryKey: query.queryKey, exact: true };
      if (query.state.fetchStatus === "idle") void this.client.invalidateQueries(exact);
      // After a failure nobody asks at once: the page tells it, and the next event or connection asks again.
      else query.promise?.then(() => this.again(query.queryKey, until)).catch(() => undefined);
    }
  }

  private find(queryKey: QueryKey): Query[] {
    return this.client.getQueryCache().findAll({ queryKey });
  }

  private since(query: Query): number {
    const times = query.state.fetchStatus === "idle" ? this.answered : this.begun;
    return times.get(query) ?? NEVER;
  }
}
