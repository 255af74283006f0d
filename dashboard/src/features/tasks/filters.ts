/** The filters of the task list as they stand in the URL. */
import type { TaskFilter } from "@/api/queries/tasks";
import type { TaskStatus } from "@/api/types";
import type { Option } from "@/components/ui/select";
import { states } from "@/lib/states";

export const filterKeys = ["status", "task_name", "queue", "tag", "campaign_id", "since"] as const;

export const ranges: readonly Option[] = [
  { value: "", label: "Any time" },
  { value: "15m", label: "Last 15 minutes" },
  { value: "1h", label: "Last hour" },
  { value: "24h", label: "Last 24 hours" },
  { value: "7d", label: "Last 7 days" },
];

const MINUTE_MS = 60_000;
const rangeMinutes: Record<string, number> = { "15m": 15, "1h": 60, "24h": 1440, "7d": 10_080 };

/** The start of a range, cut to the minute so that the query stays the same while one looks at it. */
export function since(range: string, now: number): string | undefined {
  const minutes = rangeMinutes[range];
  if (minutes === undefined) return undefined;
  return new Date(Math.floor(now / MINUTE_MS) * MINUTE_MS - minutes * MINUTE_MS).toISOString();
}

/** Several may be given, with commas between; what is no status is left out. */
function statuses(text: string): TaskStatus[] | undefined {
  const known = text
    .split(",")
    .filter((each): each is TaskStatus => each in states.task && each !== "RETRYING");
  return known.length > 0 ? known : undefined;
}

/** What stands between commas, each once; a tag may have spaces in it. */
export function tags(text: string): string[] | undefined {
  const each = text.split(",").map((tag) => tag.trim());
  const given = [...new Set(each.filter(Boolean))];
  return given.length > 0 ? given : undefined;
}

export function toTaskFilter(get: (key: string) => string, now: number): TaskFilter {
  return {
    status: statuses(get("status")),
    task_name: get("task_name"),
    queue: get("queue"),
    tag: tags(get("tag")),
    campaign_id: get("campaign_id"),
    created_after: since(get("since"), now),
  };
}
