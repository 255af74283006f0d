import { QueryClient, QueryObserver } from "@tanstack/react-query";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Reads } from "@/api/live/reads";

const KEY = ["tasks", "list"];
const TAKES_MS = 300;

/** A list that somebody looks at, and how often it has been asked for. An answer shows the world as it was asked. */
function watched() {
  const client = new QueryClient({
    defaultOptions: { queries: { staleTime: 5_000, retry: false } },
  });
  const reads = new Reads(client);
  const world = { rows: 1, asked: 0, broken: false };
  const queryFn = async () => {
    world.asked += 1;
    const { rows, broken } = world;
    await new Promise((resolve) => setTimeout(resolve, TAKES_MS));
    if (broken) throw new Error("away");
    return rows;
  };
  const observer = new QueryObserver(client, { queryKey: KEY, queryFn });
  return { client, reads, world, look: () => observer.subscribe(() => undefined) };
}

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

describe("reads", () => {
  it("reads again what was asked for before the event, and nothing that was asked for after", async () => {
    const { client, reads, world, look } = watched();
    look();
    await vi.advanceTimersByTimeAsync(1_000);
    expect(reads.older(KEY, 0)).toBe(false);
    reads.again(KEY, 0);
    expect(world.asked).toBe(1);
    world.rows = 2;
    expect(reads.older(KEY, performance.now())).toBe(true);
    reads.again(KEY, performance.now());
    await vi.advanceTimersByTimeAsync(TAKES_MS);
    expect(world.asked).toBe(2);
    expect(client.getQueryData(KEY)).toBe(2);
  });
  it("goes by when it was asked, not by when the answer came", async () => {
    const { client, reads, world, look } = watched();
    look();
    await vi.advanceTimersByTimeAsync(100);
    world.rows = 2;
    const event = performance.now();
    await vi.advanceTimersByTimeAsync(TAKES_MS);
    expect(client.getQueryData(KEY)).toBe(1);
    reads.again(KEY, event);
    await vi.advanceTimersByTimeAsync(TAKES_MS);
    expect(client.getQueryData(KEY)).toBe(2);
  });
  it("asks once more when something happens while the first answer is on its way", async () => {
    const { client, reads, world, look } = watched();
    look();
    await vi.advanceTimersByTimeAsync(100);
    world.rows = 2;
    for (let i = 0; i < 3; i++) reads.again(KEY, performance.now());
    await vi.advanceTimersByTimeAsync(2 * TAKES_MS);
    expect(client.getQueryData(KEY)).toBe(2);
    expect(world.asked).toBe(2);
  });
  it("lets a slow answer come although something happens all the time", async () => {
    const { client, reads, world, look } = watched();
    look();
    for (let i = 0; i < 20; i++) {
      world.rows += 1;
      reads.again(KEY, performance.now());
      await vi.advanceTimersByTimeAsync(TAKES_MS / 2);
    }
    expect(client.getQueryData<number>(KEY)).toBeGreaterThan(15);
    await vi.advanceTimersByTimeAsync(3 * TAKES_MS);
    expect(client.getQueryData(KEY)).toBe(world.rows);
  });
  it("takes a failure for no answer", async () => {
    const { client, reads, world, look } = watched();
    look();
    await vi.advanceTimersByTimeAsync(TAKES_MS);
    const event = performance.now();
    world.broken = true;
    reads.again(KEY, event);
    await vi.advanceTimersByTimeAsync(TAKES_MS);
    expect(reads.older(KEY, event)).toBe(true);
    world.broken = false;
    reads.again(KEY, event);
    await vi.advanceTimersByTimeAsync(TAKES_MS);
    expect(reads.older(KEY, event)).toBe(false);
    expect(client.getQueryState(KEY)?.status).toBe("success");
  });
  it("shows a failure instead of asking for ever", async () => {
    const { client, reads, world, look } = watched();
    world.broken = true;
    look();
    for (let i = 0; i < 3; i++) {
      await vi.advanceTimersByTimeAsync(TAKES_MS / 4);
      reads.again(KEY, performance.now());
    }
    await vi.advanceTimersByTimeAsync(TAKES_MS);
    expect(client.getQueryState(KEY)).toMatchObject({ status: "error", fetchStatus: "idle" });
    expect(world.asked).toBe(1);
  });
  it("has what nobody looks at read when somebody does again", async () => {
    const { client, reads, world, look } = watched();
    const away = look();
    await vi.advanceTimersByTimeAsync(TAKES_MS);
    away();
    world.rows = 2;
    reads.again(KEY, performance.now());
    await vi.advanceTimersByTimeAsync(TAKES_MS);
    expect(world.asked).toBe(1);
    look();
    await vi.advanceTimersByTimeAsync(TAKES_MS);
    expect(client.getQueryData(KEY)).toBe(2);
  });
});
