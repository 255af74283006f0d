import { describe, expect, it } from "vitest";
import {
  compact,
  duration,
  percent,
  plural,
  rate,
  relativeTime,
  roughDuration,
} from "@/lib/format";

const now = Date.parse("2026-11-22T12:00:00Z");
const ago = (seconds: number) => new Date(now - seconds * 1000).toISOString();

describe("numbers", () => {
  it("says how far a campaign is with two digits", () => {
    expect(percent(4523, 10_000)).toBe("45.23%");
  });
  it("never says 100% before the last one", () => {
    expect(percent(999_999, 1_000_000)).toBe("99.99%");
    expect(percent(10_000, 10_000)).toBe("100.00%");
    expect(percent(0, 0)).toBe("0.00%");
  });
  it("counts in words that agree", () => {
    expect(plural(1, "task")).toBe("1 task");
    expect(plural(4523, "task")).toBe("4,523 tasks");
  });
  it("keeps small numbers whole and shortens large ones", () => {
    expect(compact(9988)).toBe("9,988");
    expect(compact(18_250)).toBe("18,250");
    expect(compact(118_250)).toBe("118.3k");
  });
  it("drops digits from fast rates", () => {
    expect(rate(38.44)).toBe("38.4/s");
    expect(rate(1234.5)).toBe("1,235/s");
  });
});

describe("times", () => {
  it.each([
    [0.0004, "0 ms"],
    [0.34, "340 ms"],
    [2.41, "2.4 s"],
    [72, "1 min 12 s"],
    [11_100, "3 h 05 min"],
    [190_000, "2 d 4 h"],
  ])("says %s seconds as %s", (seconds, text) => {
    expect(duration(seconds)).toBe(text);
  });
  it("estimates coarsely", () => {
    expect(roughDuration(4)).toBe("a few seconds");
    expect(roughDuration(42)).toBe("45 s");
    expect(roughDuration(130)).toBe("3 min");
  });
  it("tells the past from the future and old from new", () => {
    expect(relativeTime(ago(1), now)).toBe("now");
    expect(relativeTime(ago(240), now)).toBe("4 min ago");
    expect(relativeTime(ago(-7200), now)).toBe("in 2 h");
    expect(relativeTime(ago(20 * 86_400), now)).toBe("2 Nov");
  });
});
