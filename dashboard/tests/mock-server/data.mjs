// A made-up installation: 10,000 tasks, campaigns in each state, workers, dead letters, mails.
import { generator } from "./random.mjs";

const { next, int, pick, uuid7 } = generator(7);
const now = Date.now();
export const iso = (milliseconds) => new Date(milliseconds).toISOString();
const ago = (seconds) => now - seconds * 1000;

const first = [
  "Zoë",
  "Amir",
  "Łukasz",
  "Mei",
  "Søren",
  "Ngozi",
  "José",
  "Priya",
  "Anaïs",
  "Björk",
  "Kenji",
  "Ayşe",
];
const last = [
  "Nováková",
  "García",
  "Okafor",
  "Müller",
  "O’Brien",
  "Yılmaz",
  "Ivanova",
  "Tanaka",
  "Dubois",
  "Lindqvist",
];
const cities = [
  "Zürich",
  "São Paulo",
  "Kraków",
  "Malmö",
  "Cork",
  "Izmir",
  "Kyoto",
  "Lyon",
  "Accra",
];
const plain = (text) =>
  text
    .normalize("NFD")
    .replace(/[^a-zA-Z]/g, "")
    .toLowerCase();

export const users = [
  ["admin@taskflow.local", "admin"],
  ["ops@example.com", "operator"],
  ["maria@example.com", "marketer"],
  ["guest@example.com", "viewer"],
].map(([email, role], index) => ({
  user_id: uuid7(ago(9e6 + index)),
  email,
  role,
  is_active: index !== 3 || true,
  created_at: iso(ago(9e6)),
  last_login_at: iso(ago(4000 * (index + 1))),
}));

export const workers = [
  ["atlas-1", "BUSY", 10, 9, 3],
  ["atlas-2", "BUSY", 10, 6, 6],
  ["borealis", "IDLE", 40, 0, 2],
  ["cedar", "PAUSED", 5, 0, 4],
  ["dune", "DEAD", 10, 0, 412],
].map(([hostname, status, capacity, load, beat]) => ({
  worker_id: uuid7(ago(90000)),
  hostname,
  status,
  capacity,
  current_load: load,
  queues: hostname === "borealis" ? ["reports", "imports"] : [],
  last_heartbeat: iso(ago(beat)),
  registered_at: iso(ago(int(4000, 90000))),
  stopped_at: null,
  metadata: { version: "0.1.0", platform: "Linux-6.1-x86_64", pid: int(900, 9000), processes: 2 },
}));

const trace = `Traceback (most recent call last):
  File "/app/taskflow/engine/worker/executors.py", line 118, in run
    result = await task.function(*args, **kwargs)
             ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  File "/app/shop/invoices.py", line 41, in render_invoice
    total = sum(line.price * line.amount for line in order.lines)
  File "/app/shop/invoices.py", line 41, in <genexpr>
    total = sum(line.price * line.amount for line in order.lines)
                ~~~~~~~~~~~^~~~~~~~~~~~~
TypeError: unsupported operand type(s) for *: 'NoneType' and 'int'`;
const errors = [
  "TypeError: unsupported operand type(s) for *: 'NoneType' and 'int'",
  "ConnectionError: smtp.example.com:587 closed the connection while reading the reply to DATA",
  "HTTPStatusError: Server error '503 Service Unavailable' for url 'https://rates.example.com/v2/eur'",
  "TimeoutError: the task ran longer than 300 s",
];
const names = [
  "send_email_task",
  "shop.render_invoice",
  "reports.nightly",
  "imports.contacts",
  "media.resize",
  "crm.sync",
];
const queueOf = {
  send_email_task: "email",
  "shop.render_invoice": "default",
  "reports.nightly": "reports",
  "imports.contacts": "imports",
  "media.resize": "media",
  "crm.sync": "default",
};
const priorities = [
  [10, "CRITICAL"],
  [8, "HIGH"],
  [5, "MEDIUM"],
  [2, "LOW"],
  [7, null],
];

function status(index) {
  const roll = next();
  if (index < 14) return "RUNNING";
  if (index < 60) return pick(["PENDING", "PENDING", "SCHEDULED"]);
  if (roll < 0.94) return "COMPLETED";
  if (roll < 0.965) return "FAILED";
  if (roll < 0.975) return "TIMEOUT";
  if (roll < 0.985) return "CANCELLED";
  return "SCHEDULED";
}

function makeTask(index) {
  const created = ago(index * 3.1 + next() * 3 + (index > 14 ? 8 : 1));
  const state = status(index);
  const name = pick(names);
  const [priority, priority_name] = pick(priorities);
  const retries =
    { FAILED: 5, TIMEOUT: 5, SCHEDULED: int(0, 3), COMPLETED: next() < 0.06 ? int(1, 3) : 0 }[
      state
    ] ?? 0;
  const started =
    ["PENDING", "SCHEDULED"].includes(state) && retries === 0
      ? null
      : created + 40 + next() * 900 + retries * 3000;
  const ended = ["COMPLETED", "FAILED", "TIMEOUT", "CANCELLED"].includes(state);
  return {
    task_id: uuid7(created),
    task_name: name,
    task_args: [],
    task_kwargs: {
      order_id: int(10000, 99999),
      currency: pick(["EUR", "CHF", "JPY"]),
      customer: { name: `${pick(first)} ${pick(last)}`, city: pick(cities) },
    },
    queue: queueOf[name],
    priority,
    priority_name,
    status: state,
    retry_count: retries,
    max_retries: 5,
    timeout_seconds: 300,
    parent_task_id: null,
    campaign_id: null,
    created_at: iso(created),
    scheduled_at: state === "SCHEDULED" && retries === 0 ? iso(now + int(60, 9000) * 1000) : null,
    due_at: state === "SCHEDULED" ? iso(now + int(4, 9000) * 1000) : null,
    started_at: started ? iso(started) : null,
    completed_at: ended && started ? iso(started + 20 + next() * 2600) : null,
    worker_id: started ? pick(workers).worker_id : null,
    created_by: users[0].user_id,
    lease_epoch: retries + (started ? 1 : 0),
    crash_count: 0,
    cancel_requested_at: null,
    tags: [],
    payload_version: 1,
    expires_at: null,
  };
}
export const tasks = Array.from({ length: 10000 }, (_, index) => makeTask(index));

export function taskDetail(task) {
  const created = Date.parse(task.created_at);
  const failed = ["FAILED", "TIMEOUT"].includes(task.status);
  const attempts = failed ? 6 : task.retry_count + (["COMPLETED"].includes(task.status) ? 1 : 0);
  const executions = [];
  let at = created + 120;
  for (let number = 1; number <= attempts; number += 1) {
    const length = 300 + ((number * 733) % 900);
    const good = number === attempts && task.status === "COMPLETED";
    executions.push({
      execution_id: uuid7(at),
      attempt_number: number,
      lease_epoch: number,
      worker_id: workers[number % 3].worker_id,
      started_at: iso(at),
      completed_at: iso(at + length),
      duration_seconds: length / 1000,
      status: good
        ? "COMPLETED"
        : task.status === "TIMEOUT" && number === attempts
          ? "TIMEOUT"
          : number === 2
            ? "CRASHED"
            : "FAILED",
      error_message: good ? null : errors[number % 2],
    });
    at += length + 1000 * 2 ** (number - 1);
  }
  const logs = executions.flatMap((execution) =>
    [
      [
        "INFO",
        `attempt ${execution.attempt_number} of order ${task.task_kwargs.order_id}`,
        { attempt: execution.attempt_number },
      ],
      ["DEBUG", "fetched 14 lines in 22 ms", {}],
      execution.status === "COMPLETED"
        ? ["INFO", "invoice stored", { bytes: 48213 }]
        : ["ERROR", execution.error_message, {}],
    ].map(([level, message, metadata], index) => ({
      log_id: uuid7(Date.parse(execution.started_at) + index),
      level,
      message,
      metadata,
      created_at: iso(Date.parse(execution.started_at) + index * 37),
    })),
  );
  const result = failed
    ? {
        result_data: null,
        error_message: errors[0],
        stack_trace: trace,
        created_at: task.completed_at,
      }
    : task.status === "COMPLETED"
      ? {
          result_data: { invoice: `INV-${task.task_kwargs.order_id}`, pages: 2, total: "184.20" },
          error_message: null,
          stack_trace: null,
          created_at: task.completed_at,
        }
      : null;
  return { ...task, progress: null, executions, logs, result };
}

export const deadLetters = tasks
  .filter((task) => ["FAILED", "TIMEOUT"].includes(task.status))
  .slice(0, 63)
  .map((task, index) => ({
    dlq_id: uuid7(Date.parse(task.completed_at)),
    task_id: task.task_id,
    task_name: task.task_name,
    task_data: task,
    failure_reason: errors[index % errors.length],
    stack_trace: trace,
    total_attempts: 6,
    moved_at: task.completed_at,
    requeued_at: null,
  }));

const html = `<!doctype html><html><body style="margin:0;background:#f2f1ed;font-family:Georgia,serif">
<div style="max-width:560px;margin:0 auto;background:#fff;padding:40px 36px">
<p style="letter-spacing:.12em;font:600 11px sans-serif;color:#777">NORTHWIND GOODS</p>
<h1 style="font-weight:400;font-size:30px;line-height:1.25;margin:12px 0 20px">{{ first_name }}, the doors open early for you</h1>
<p style="line-height:1.65;color:#333">From Thursday evening everything in {{ city }} is thirty per cent off, a full day before anybody else. Your code is <b>{{ coupon }}</b>.</p>
<p style="margin:28px 0"><a href="https://shop.example.com" style="background:#1c3d2e;color:#fff;padding:13px 22px;text-decoration:none;font:600 14px sans-serif">Look around</a></p>
<p style="font:12px sans-serif;color:#8a8a8a">You get this because you bought from us. <a href="#" style="color:#8a8a8a">Unsubscribe</a></p>
</div><script>document.body.innerHTML = "scripts run!"</script></body></html>`;

function progress(total, parts = {}, perSecond = 0) {
  const all = {
    sent: 0,
    failed: 0,
    deferred: 0,
    uncertain: 0,
    suppressed: 0,
    cancelled: 0,
    ...parts,
  };
  const done = Object.entries(all).reduce((sum, [, value]) => sum + value, 0);
  return { total, pending: total - done, rate_per_second: perSecond, ...all };
}

function campaign(name, state, counts, more = {}) {
  const created = ago(more.age ?? 4000);
  return {
    campaign_id: uuid7(created),
    name,
    status: state,
    outcome: state === "COMPLETED" ? (counts.failed ? "partial" : "clean") : null,
    template_subject: "{{ first_name }}, the doors open early for you",
    template_body: html,
    template_text: null,
    template_variables: {},
    from_email: "news@northwind.example",
    from_name: "Northwind Goods",
    reply_to: null,
    rate_limit_per_minute: more.limit === undefined ? 100 : more.limit,
    uncertain_policy: "hold",
    total_recipients: counts.total,
    sent_count: counts.sent,
    failed_count: counts.failed,
    progress: counts,
    created_at: iso(created),
    scheduled_at: state === "SCHEDULED" ? iso(now + 5400 * 1000) : null,
    started_at: ["DRAFT", "SCHEDULED"].includes(state) ? null : iso(created + 60000),
    completed_at: ["COMPLETED", "CANCELLED", "FAILED"].includes(state)
      ? iso(created + 60000 + (more.took ?? 1900) * 1000)
      : null,
    created_by: users[2].user_id,
    summary:
      state === "COMPLETED"
        ? `${counts.sent.toLocaleString("en")} sent, ${counts.failed} failed`
        : null,
    import: {
      import_id: uuid7(created),
      filename: "recipients.csv",
      encoding: "utf-8",
      delimiter: ",",
      rows: counts.total + 31,
      accepted: counts.total,
      rejected: 19,
      duplicates: 12,
    },
  };
}

export const campaigns = [
  campaign(
    "Black Friday",
    "RUNNING",
    progress(10000, { sent: 4523, failed: 7, deferred: 18, uncertain: 2 }, 38.4),
    { limit: null, age: 190 },
  ),
  campaign("Autumn lookbook", "PAUSED", progress(3200, { sent: 1204, failed: 3 }), { age: 5400 }),
  campaign("Spring clearance: misspelt template", "DRAFT", progress(842), { age: 700 }),
  campaign("Advent calendar", "SCHEDULED", progress(18250), { age: 9000, limit: 3000 }),
  campaign("Loyalty points reminder", "COMPLETED", progress(10000, { sent: 9988, failed: 12 }), {
    age: 90000,
    limit: null,
    took: 41,
  }),
  campaign("Order delays in the north", "COMPLETED", progress(412, { sent: 412 }), { age: 260000 }),
  campaign(
    "Newsletter 48",
    "CANCELLED",
    progress(5000, { sent: 812, failed: 2, cancelled: 4186 }),
    { age: 600000 },
  ),
  campaign("Welcome back", "FAILED", progress(120, { failed: 120 }), { age: 1200000 }),
];

const states = ["SENT", "SENT", "SENT", "SENT", "PENDING", "PENDING", "PENDING", "SENDING"];
const recipientLists = new Map();
export function recipientsOf(item) {
  if (recipientLists.has(item.campaign_id)) return recipientLists.get(item.campaign_id);
  const rest = {
    DRAFT: "PENDING",
    SCHEDULED: "PENDING",
    COMPLETED: "SENT",
    CANCELLED: "CANCELLED",
    FAILED: "FAILED",
  }[item.status];
  const list = Array.from({ length: Math.min(item.total_recipients, 10000) }, (_, index) => {
    const state =
      index % 700 === 3
        ? "FAILED"
        : index % 900 === 5 && item.status === "RUNNING"
          ? "UNCERTAIN"
          : index % 550 === 9 && item.status === "RUNNING"
            ? "DEFERRED"
            : (rest ?? states[index % states.length]);
    const name = pick(first);
    const family = pick(last);
    return {
      recipient_id: uuid7(Date.parse(item.created_at) + index),
      email: `${plain(name)}.${plain(family)}${index}@example.com`,
      status: state,
      personalization: {
        first_name: name,
        last_name: family,
        city: pick(cities),
        coupon: `BF-${int(1000, 9999)}`,
      },
      sent_at: state === "SENT" || state === "UNCERTAIN" ? iso(ago(int(1, 180))) : null,
      provider: "sandbox",
      attempt: state === "PENDING" ? 0 : state === "DEFERRED" ? 2 : 1,
      error_message:
        state === "FAILED"
          ? "550 5.1.1 no such mailbox"
          : state === "DEFERRED"
            ? "451 4.7.1 try again in a while"
            : state === "UNCERTAIN"
              ? "connection lost after DATA"
              : null,
      bounce_reason: null,
      reply: state === "SENT" ? `250 2.0.0 queued as ${int(100000, 999999)}` : null,
      task_id: uuid7(Date.parse(item.created_at) + index),
      message_id: state === "SENT" ? `<${uuid7(now)}@northwind.example>` : null,
    };
  });
  recipientLists.set(item.campaign_id, list);
  return list;
}

export function fill(template, sample) {
  return template
    .replace(/\{%[^%]*%\}/g, "")
    .replace(
      /\{\{-?\s*([\w.]+)\s*(?:\|\s*default\(["']([^"']*)["']\))?[^}]*\}\}/g,
      (_, name, fallback) => sample[name] ?? fallback ?? "",
    );
}

export const mails = Array.from({ length: 640 }, (_, index) => {
  const name = pick(first);
  const sample = { first_name: name, city: pick(cities), coupon: `BF-${int(1000, 9999)}` };
  return {
    message_id: uuid7(ago(index * 2)),
    received_at: iso(ago(index * 2.2)),
    mail_from: "bounce+4f2a@northwind.example",
    rcpt_to: `${plain(name)}.${plain(pick(last))}${index}@example.com`,
    subject: fill("{{ first_name }}, the doors open early for you", sample),
    size: int(3000, 12000),
    sample,
  };
});

export function mailDetail(mail) {
  return {
    ...mail,
    html: fill(html, mail.sample),
    raw_size: mail.size,
    text: `NORTHWIND GOODS\n\n${mail.subject}\n\nFrom Thursday evening everything in ${mail.sample.city} is thirty per cent off.\nYour code is ${mail.sample.coupon}.\n\nLook around: https://shop.example.com\n`,
    headers: [
      ["From", "Northwind Goods <news@northwind.example>"],
      ["To", mail.rcpt_to],
      ["Subject", mail.subject],
      ["Message-ID", `<${mail.message_id}@northwind.example>`],
      ["List-Unsubscribe", "<https://mail.northwind.example/unsubscribe/eyJhbGciOi…>"],
      ["List-Unsubscribe-Post", "List-Unsubscribe=One-Click"],
      ["MIME-Version", "1.0"],
      ["Content-Type", 'multipart/alternative; boundary="=_5f1c"'],
    ].map(([name, value]) => ({ name, value })),
  };
}

export const rules = [
  { pattern: "*@bounce.example", action: "reject", times: null },
  { pattern: "slow*@example.com", action: "defer", times: 2 },
];
export const apiKeys = [
  ["nightly import", "operator"],
  ["shop checkout", "marketer"],
  ["grafana", "viewer"],
].map(([name, role], index) => ({
  key_id: uuid7(ago(80000 * index)),
  name,
  role,
  prefix: "tf_9Kq2",
  created_at: iso(ago(900000)),
  last_used_at: index === 2 ? null : iso(ago(400 * (index + 1))),
  expires_at: null,
}));
export const audit = Array.from({ length: 40 }, (_, index) => ({
  audit_id: uuid7(ago(index * 900)),
  action: pick([
    "campaign.start",
    "task.cancel",
    "worker.pause",
    "user.create",
    "dead_letter.requeue",
  ]),
  actor: pick(users).email,
  target_type: "campaign",
  target_id: uuid7(ago(index * 900)),
  created_at: iso(ago(index * 900)),
  details: {},
}));

export function stats() {
  const minutes = Array.from({ length: 60 }, (_, index) => {
    const wave = 900 + Math.sin(index / 7) * 320 + Math.cos(index / 2.3) * 90;
    const busy = index > 55 ? 2400 : 0;
    return {
      t: iso(Math.floor(now / 60000) * 60000 - (59 - index) * 60000),
      completed: Math.round(wave + busy + ((index * 37) % 60)),
      failed: index % 9 === 0 ? 22 : index % 4 === 0 ? 6 : 0,
    };
  });
  return {
    tasks: {
      by_status: {
        COMPLETED: 61240,
        FAILED: 214,
        TIMEOUT: 31,
        RUNNING: 15,
        PENDING: 5462,
        SCHEDULED: 122,
        CANCELLED: 40,
      },
      queues: [
        { queue: "email", ready: 5381, running: 12 },
        { queue: "default", ready: 61, running: 2 },
        { queue: "media", ready: 14, running: 0 },
        { queue: "imports", ready: 6, running: 1 },
        { queue: "reports", ready: 0, running: 0 },
      ],
      completed_per_second: 41.6,
      failed_last_hour: 148,
    },
    workers: { active: 4, capacity: 65, load: 15 },
    campaigns: { running: 1 },
    dead_letters: deadLetters.length,
    throughput: minutes,
  };
}

export { html };
