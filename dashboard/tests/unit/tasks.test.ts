import { describe, expect, it } from "vitest";
import type { Execution, Task, TaskGraph } from "@/api/types";
import { suggestions } from "@/app/shell/suggestions";
import { may } from "@/features/session/permissions";
import { since, toTaskFilter } from "@/features/tasks/filters";
import { neighbours } from "@/features/tasks/neighbours";
import { timeline, withLatest } from "@/features/tasks/timeline";
import { patched } from "@/features/tasks/use-live-tasks";

const zero = Date.parse("2026-11-22T12:00:00Z");
const at = (seconds: number) => new Date(zero + seconds * 1000).toISOString();
const task = {
  task_id: "a",
  status: "COMPLETED",
  created_at: at(0),
  lease_epoch: 2,
  retry_count: 1,
} as Task;
const attempt = (epoch: number, from: number, to: number | null): Execution => ({
  execution_id: `e${epoch}`,
  attempt_number: epoch,
  lease_epoch: epoch,
  worker_id: null,
  started_at: at(from),
  completed_at: to === null ? null : at(to),
  duration_seconds: null,
  status: "FAILED",
  error_message: null,
});

describe("a task's timeline", () => {
  it("shows waits between attempts", () => {
    const { bars, span } = timeline(task, [attempt(2, 5, 7), attempt(1, 1, 3)], zero);
    expect(bars.map(({ kind, from, to }) => [kind, from, to])).toEqual([
      ["wait", 0, 1],
      ["attempt", 1, 3],
      ["wait", 3, 5],
      ["attempt", 5, 7],
    ]);
    expect(span).toBe(7);
  });
  it("puts in the attempt that runs and has no row yet", () => {
    const running = { ...task, status: "RUNNING", started_at: at(5) } as Task;
    expect(withLatest(running, [attempt(1, 1, 3)])).toHaveLength(2);
    expect(withLatest(running, [attempt(2, 5, null)])).toHaveLength(1);
    expect(timeline(running, [attempt(1, 1, 3)], zero + 9_000).span).toBe(9);
  });
  it("shows the one attempt of a task whose history is kept elsewhere", () => {
    const sent = { ...task, started_at: at(1), completed_at: at(2) } as Task;
    expect(timeline(sent, [], zero).bars.map(({ kind }) => kind)).toEqual(["wait", "attempt"]);
  });
  it("has a span even for a task that has just come", () => {
    expect(timeline({ ...task, status: "PENDING" } as Task, [], zero).span).toBeGreaterThan(0);
  });
});

describe("filters", () => {
  it("cuts a range to the minute, so that the query keeps its key", () => {
    expect(since("1h", zero + 42_000)).toBe("2026-11-22T11:00:00.000Z");
    expect(since("", zero)).toBeUndefined();
  });
  it("takes several statuses and drops nonsense", () => {
    const get = (key: string) => (key === "status" ? "FAILED,TIMEOUT,BANANA" : "");
    expect(toTaskFilter(get, zero).status).toEqual(["FAILED", "TIMEOUT"]);
  });
  it("takes tags with commas between, which may have spaces in them", () => {
    const get = (key: string) => (key === "tag" ? "tenant 7, ,blue,blue" : "");
    expect(toTaskFilter(get, zero).tag).toEqual(["tenant 7", "blue"]);
    expect(toTaskFilter(() => "", zero).tag).toBeUndefined();
  });
});

describe("neighbours", () => {
  const node = (task_id: string) => ({ task_id }) as TaskGraph["nodes"][number];
  type Edge = TaskGraph["edges"][number];
  const edge = (parent_id: string, child_id: string, args: Edge["arguments"]) =>
    ({ parent_id, child_id, arguments: args }) as Edge;
  it("are parents and children, with the arguments that results become", () => {
    const graph = {
      nodes: ["a", "b", "c", "d"].map(node),
      edges: [
        edge("a", "c", [["pages", 0]]),
        edge("b", "c", null),
        edge("c", "d", null),
        edge("a", "b", null),
      ],
    } as TaskGraph;
    const { parents, children } = neighbours("c", graph);
    expect(parents.map(({ node: { task_id }, hands }) => [task_id, hands])).toEqual([
      ["a", ["pages"]],
      ["b", []],
    ]);
    expect(children.map(({ node: { task_id } }) => task_id)).toEqual(["d"]);
  });
});

describe("live rows", () => {
  const data = { pages: [{ items: [task], next_cursor: null }], pageParams: [undefined] };
  const event = (task_id: string) => [
    { topic: "tasks", type: "task.status", data: { task_id, status: "FAILED" } },
  ];
  it("change in place, and only those on the screen", () => {
    expect(patched(data, event("a"))?.pages[0]?.items[0]?.status).toBe("FAILED");
    expect(patched(data, event("b"))).toBeNull();
  });
});

describe("small things", () => {
  it("knows what a role may do", () => {
    expect(may("viewer", "campaigns")).toBe(false);
    expect(may("marketer", "campaigns")).toBe(true);
    expect(may("marketer", "tasks")).toBe(false);
    expect(may(undefined, "access")).toBe(false);
  });
  it("leads an id to its page and an address to its mail", () => {
    expect(suggestions("01993f6a-7c2e-7d11-a5b8-3f60c1d2e9aa")[0]?.to).toBe(
      "/tasks/01993f6a-7c2e-7d11-a5b8-3f60c1d2e9aa",
    );
    expect(suggestions("zoe@example.com").map((each) => each.to)).toEqual([
      "/inbox?q=zoe%40example.com",
    ]);
  });
});
