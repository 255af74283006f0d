import { describe, expect, it } from "vitest";
import type { Campaign, Progress } from "@/api/types";
import { likely, missingVariables } from "@/features/campaigns/missing";
import { check, emptyDraft, toForm } from "@/features/campaigns/new/draft";
import { remaining, secondsLeft, segments, withEvent } from "@/features/campaigns/progress";

const progress: Progress = {
  total: 10_000,
  sent: 4523,
  failed: 7,
  pending: 5450,
  deferred: 18,
  uncertain: 2,
  suppressed: 0,
  cancelled: 0,
  rate_per_second: 40,
};

describe("progress", () => {
  it("shows parts that add up to the whole", () => {
    expect(segments(progress).reduce((sum, segment) => sum + segment.value, 0)).toBe(10_000);
  });
  it("counts deferred recipients as still to come", () => {
    expect(remaining(progress)).toBe(5468);
  });
  it("estimates from what is measured, within what is allowed", () => {
    expect(secondsLeft(progress, null)).toBeCloseTo(136.7);
    expect(secondsLeft({ ...progress, rate_per_second: 0 }, 600)).toBeCloseTo(546.8);
    expect(secondsLeft({ ...progress, rate_per_second: 0 }, null)).toBeNull();
  });
  it("takes counts from an event and leaves the rest alone", () => {
    const campaign = { status: "RUNNING", name: "Black Friday", progress } as Campaign;
    const next = withEvent(campaign, {
      status: "PAUSED",
      sent: 4600,
      campaign_id: "x",
      nonsense: 3,
    });
    expect(next).toMatchObject({ status: "PAUSED", name: "Black Friday" });
    expect(next.progress).toEqual({ ...progress, sent: 4600 });
  });
});

describe("missing variables", () => {
  it("reads the problem and guesses the misspelling", () => {
    const [first] = missingVariables({
      problems: [{ variable: "first_nmae", row_number: 2, email: "a@b.c", count: 9 }],
    });
    expect(first).toEqual({ variable: "first_nmae", row_number: 2, email: "a@b.c", count: 9 });
    expect(likely("first_nmae", ["city", "first_name"])).toBe("first_name");
    expect(likely("voucher", ["city", "first_name"])).toBeNull();
  });
});

describe("a new campaign", () => {
  const file = new File(["email\na@example.com\n"], "people.csv");
  const head = {
    columns: ["email"],
    rows: [["a@example.com"]],
    delimiter: ",",
    encoding: "UTF-8" as const,
    emailColumn: "email",
  };
  const draft = { ...emptyDraft, name: " Sale ", fromEmail: "news@example.com", subject: "Hello" };

  it("names what is missing", () => {
    expect(Object.keys(check(emptyDraft, null, null))).toEqual([
      "file",
      "name",
      "fromEmail",
      "subject",
    ]);
    expect(check(draft, file, head)).toEqual({});
    expect(check({ ...draft, rate: "fast" }, file, head).rate).toBeDefined();
  });
  it("says that there is no limit in so many words, because silence means 100 a minute", () => {
    expect(toForm({ ...draft, rate: "" }, file).get("rate_limit_per_minute")).toBe("null");
    expect(toForm(draft, file).get("name")).toBe("Sale");
  });
});
