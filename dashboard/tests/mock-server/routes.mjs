// The HTTP contract over the made-up data. `MOCK_EMPTY=1` serves an installation in which nothing has happened yet.
import * as data from "./data.mjs";

const empty = process.env.MOCK_EMPTY === "1";
const all = (list) => (empty ? [] : list);
const find = (list, key, id) => all(list).find((item) => item[key] === id);

export class Problem extends Error {
  constructor(status, code, title, detail, more = {}) {
    super(detail);
    Object.assign(this, { status, code, title, detail, more });
  }
}

const missing = (noun) =>
  new Problem(404, "not_found", "Not found", `There is no ${noun} with this id.`);

function page(list, query) {
  const from = Number(query.get("cursor") ?? 0);
  const limit = Number(query.get("limit") ?? 50);
  const items = list.slice(from, from + limit);
  return { items, next_cursor: from + limit < list.length ? String(from + limit) : null };
}

function filtered(list, query, keys) {
  return list.filter((item) =>
    keys.every((key) => !query.get(key) || item[key] === query.get(key)),
  );
}

function tasks(query) {
  const after = query.get("created_after");
  const wanted = query.getAll("status");
  return filtered(all(data.tasks), query, ["queue", "campaign_id"]).filter(
    (task) =>
      (wanted.length === 0 || wanted.includes(task.status)) &&
      (!query.get("task_name") || task.task_name.includes(query.get("task_name"))) &&
      (!after || task.created_at >= after),
  );
}

function act(campaign, action) {
  if (action === "start" && campaign.name.includes("misspelt")) {
    throw new Problem(
      409,
      "missing_variables",
      "Variables are missing",
      "Some recipients lack a variable of the template.",
      {
        problems: [
          { variable: "first_nmae", row_number: 2, email: "zoe.garcia0@example.com", count: 842 },
          { variable: "coupon", row_number: 417, email: "kenji.tanaka415@example.com", count: 1 },
        ],
      },
    );
  }
  campaign.status = { start: "RUNNING", pause: "PAUSED", resume: "RUNNING", cancel: "CANCELLED" }[
    action
  ];
  campaign.started_at ??= new Date().toISOString();
  return campaign;
}

function emptyStats() {
  const full = data.stats();
  return {
    ...full,
    tasks: { by_status: {}, queues: [], completed_per_second: 0, failed_last_hour: 0 },
    workers: { active: 1, capacity: 10, load: 0 },
    campaigns: { running: 0 },
    dead_letters: 0,
    throughput: full.throughput.map(({ t }) => ({ t, completed: 0, failed: 0 })),
  };
}

// [method, pattern, answer({ query, body, params })]
export const routes = [
  ["GET", "/auth/me", ({ user }) => user],
  ["GET", "/users", () => ({ items: data.users, next_cursor: null })],
  ["POST", "/users", ({ body }) => ({ ...data.users[0], ...body })],
  [
    "PATCH",
    "/users/:id",
    ({ params, body }) => Object.assign(find(data.users, "user_id", params.id), body),
  ],
  ["GET", "/api-keys", () => ({ items: all(data.apiKeys), next_cursor: null })],
  [
    "POST",
    "/api-keys",
    ({ body }) => ({ ...data.apiKeys[0], ...body, key: "tf_9Kq2vXb7LmN4pRs8TtWy1ZcD" }),
  ],
  ["DELETE", "/api-keys/:id", () => null],
  ["GET", "/audit-log", ({ query }) => page(all(data.audit), query)],
  ["GET", "/tasks", ({ query }) => page(tasks(query), query)],
  [
    "GET",
    "/tasks/:id",
    ({ params }) => {
      const task = find(data.tasks, "task_id", params.id);
      if (!task) throw missing("task");
      return data.taskDetail(task);
    },
  ],
  [
    "DELETE",
    "/tasks/:id",
    ({ params }) => Object.assign(find(data.tasks, "task_id", params.id), { status: "CANCELLED" }),
  ],
  [
    "POST",
    "/tasks/:id/retry",
    ({ params }) => Object.assign(find(data.tasks, "task_id", params.id), { status: "PENDING" }),
  ],
  ["GET", "/workers", () => ({ items: all(data.workers), next_cursor: null })],
  [
    "POST",
    "/workers/:id/pause",
    ({ params }) => Object.assign(find(data.workers, "worker_id", params.id), { status: "PAUSED" }),
  ],
  [
    "POST",
    "/workers/:id/resume",
    ({ params }) => Object.assign(find(data.workers, "worker_id", params.id), { status: "IDLE" }),
  ],
  [
    "GET",
    "/dead-letters",
    ({ query }) => page(filtered(all(data.deadLetters), query, ["task_name"]), query),
  ],
  [
    "GET",
    "/dead-letters/:id",
    ({ params }) =>
      find(data.deadLetters, "dlq_id", params.id) ??
      (() => {
        throw missing("dead letter");
      })(),
  ],
  [
    "POST",
    "/dead-letters/requeue",
    ({ body }) => ({ requeued: body.dlq_ids?.length ?? data.deadLetters.length }),
  ],
  [
    "POST",
    "/campaigns/preview",
    ({ body }) => {
      const used = [...body.template_body.matchAll(/\{\{-?\s*(\w+)\s*(\|\s*default)?/g)];
      const lacking = used
        .filter(([, name, fallback]) => !fallback && !(name in body.sample))
        .map(([, name]) => name);
      return {
        subject: data.fill(body.template_subject, body.sample),
        html: data.fill(body.template_body, body.sample),
        text: data
          .fill(body.template_body, body.sample)
          .replace(/<[^>]+>/g, "")
          .replace(/\n\s*\n+/g, "\n\n")
          .trim(),
        problems: [...new Set(lacking)].map((name) => ({
          code: "missing_variable",
          message: `{{ ${name} }} has no value in this row.`,
        })),
      };
    },
  ],
  [
    "GET",
    "/campaigns",
    ({ query }) => page(filtered(all(data.campaigns), query, ["status"]), query),
  ],
  ["POST", "/campaigns", () => data.campaigns[2]],
  [
    "GET",
    "/campaigns/:id",
    ({ params }) =>
      find(data.campaigns, "campaign_id", params.id) ??
      (() => {
        throw missing("campaign");
      })(),
  ],
  [
    "GET",
    "/campaigns/:id/recipients",
    ({ params, query }) =>
      page(
        filtered(data.recipientsOf(find(data.campaigns, "campaign_id", params.id)), query, [
          "status",
        ]),
        query,
      ),
  ],
  [
    "POST",
    "/campaigns/:id/:action",
    ({ params }) => act(find(data.campaigns, "campaign_id", params.id), params.action),
  ],
  [
    "GET",
    "/inbox",
    ({ query }) =>
      page(
        all(data.mails).filter((mail) =>
          `${mail.rcpt_to} ${mail.subject}`.includes(query.get("q") ?? ""),
        ),
        query,
      ),
  ],
  ["DELETE", "/inbox", () => null],
  ["GET", "/inbox/rules", () => data.rules],
  ["PUT", "/inbox/rules", ({ body }) => body],
  [
    "GET",
    "/inbox/:id",
    ({ params }) => {
      const mail = find(data.mails, "message_id", params.id);
      if (!mail) throw missing("mail");
      return data.mailDetail(mail);
    },
  ],
  ["POST", "/campaigns/:id/recipients/resolve", () => ({ resolved: 2 })],
  ["GET", "/stats", () => (empty ? emptyStats() : data.stats())],
];
