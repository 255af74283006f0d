// Pictures of every page, light and dark, on a desk and on a phone, and what axe says about each.
// node tests/look/look.mjs <folder> [base URL]; needs a Chromium (CHROMIUM=/usr/bin/chromium) and the mock server.
import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";

const [folder = "look", base = "http://127.0.0.1:8000", only = ""] = process.argv.slice(2);
const email = process.env.LOOK_EMAIL ?? "admin@taskflow.local";
const password = process.env.LOOK_PASSWORD ?? "any password";
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
mkdirSync(folder, { recursive: true });

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox"],
});
const settled = (page) => page.waitForTimeout(700);
const first = (selector) => async (page) => {
  await page.locator(selector).first().click();
  await settled(page);
};
const file = {
  name: "recipients.csv",
  mimeType: "text/csv",
  buffer: Buffer.from(
    "email;first_name;city;coupon\nzoe@example.com;Zoë;Zürich;BF-1021\namir@example.com;Amir;Malmö;BF-2311\nlukasz@example.com;Łukasz;Kraków;BF-8810\n",
  ),
};
const campaign = (name, after) => async (page) => {
  await first(`text="${name}"`)(page);
  await page.waitForURL(/campaigns\/./);
  await settled(page);
  await after?.(page);
};

const pages = {
  overview: ["/"],
  campaigns: ["/campaigns"],
  campaign: ["/campaigns", campaign("Black Friday")],
  "campaign-message": [
    "/campaigns",
    campaign("Black Friday", first('nav button:has-text("Message")')),
  ],
  "campaign-import": ["/campaigns", campaign("Black Friday", first('button:has-text("Import")'))],
  "campaign-recipient": [
    "/campaigns",
    campaign("Black Friday", first('[data-row="3"], ul[aria-label=Recipients] a')),
  ],
  "campaign-missing": [
    "/campaigns",
    campaign("Spring clearance: misspelt template", async (page) => {
      await first('button:has-text("Start")')(page);
      await first('button:has-text("Mail 842")')(page);
    }),
  ],
  "campaign-new": [
    "/campaigns/new",
    async (page) => {
      await page.getByLabel("CSV file with recipients").setInputFiles(file);
      await page.getByLabel("Campaign name").fill("Black Friday");
      await page.getByLabel("Subject").fill("{{ first_name }}, your early access");
      await page.getByLabel("From address").fill("news@northwind.example");
      await page.waitForTimeout(1500);
    },
  ],
  tasks: ["/tasks"],
  "tasks-failed": ["/tasks?status=FAILED&queue=default"],
  "tasks-none": ["/tasks?status=RUNNING&task_name=nothing.like.this"],
  task: ["/tasks?status=FAILED", first('[data-row="1"], ul[aria-label=Tasks] a')],
  "task-done": ["/tasks?status=COMPLETED", first('[data-row="1"], ul[aria-label=Tasks] a')],
  "task-missing": ["/tasks/01993f6a-7c2e-7d11-a5b8-3f60c1d2e9aa"],
  workers: ["/workers"],
  worker: ["/workers", first('[data-row="0"], ul[aria-label=Workers] a')],
  "dead-letters": ["/dead-letters"],
  "dead-letter": ["/dead-letters", first('[data-row="1"], ul[aria-label="Dead letters"] a')],
  inbox: ["/inbox"],
  mail: ["/inbox", first("ul[aria-label=Mails] a")],
  settings: ["/settings"],
  users: ["/settings/users"],
  keys: ["/settings/keys"],
  audit: ["/settings/audit"],
  "not-found": ["/nowhere"],
  palette: [
    "/",
    async (page) => {
      await page.keyboard.press("Control+k");
      await settled(page);
    },
  ],
  shortcuts: [
    "/",
    async (page) => {
      await page.keyboard.press("?");
      await settled(page);
    },
  ],
};

async function report(page, name) {
  await page.evaluate(axe);
  const found = await page.evaluate(() => window.axe.run(document, { iframes: false }));
  for (const { id, impact, nodes } of found.violations) {
    if (!["serious", "critical"].includes(impact)) continue;
    console.log(`${name}: ${impact} ${id}`);
    for (const node of nodes.slice(0, 3))
      console.log(
        `    ${node.html.slice(0, 150)}\n    ${node.any
          .map((each) => each.message)
          .join(" ")
          .slice(0, 200)}`,
      );
  }
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
  if (wide > 0) console.log(`${name}: ${wide} px wider than the window`);
}

for (const [size, viewport] of [
  ["desk", { width: 1440, height: 900 }],
  ["phone", { width: 390, height: 844 }],
]) {
  for (const theme of ["light", "dark"]) {
    if (!`${size}-${theme}`.includes(process.env.LOOK ?? "")) continue;
    const context = await browser.newContext({ viewport, colorScheme: theme, bypassCSP: true });
    context.setDefaultTimeout(20000);
    const page = await context.newPage();
    page.on("pageerror", (error) => console.log(`${size} ${theme}: ${error.message}`));
    page.on(
      "console",
      (message) =>
        message.type() === "error" &&
        !/404|409|503|sandboxed/.test(message.text()) &&
        console.log(`${size} ${theme}: ${message.text()}`),
    );
    await page.goto(base);
    await settled(page);
    if (!only || only === "sign-in") {
      await page.screenshot({ path: `${folder}/sign-in-${size}-${theme}.png` });
      await report(page, `sign-in-${size}-${theme}`);
    }
    await page.getByLabel("E-mail").fill(email);
    await page.getByLabel("Password", { exact: true }).fill(password);
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.waitForSelector("main#content");
    for (const [name, [path, act]] of Object.entries(pages)) {
      if (only && !new RegExp(only).test(name)) continue;
      await page.goto(base + path);
      await page.waitForTimeout(900);
      try {
        await act?.(page);
      } catch (error) {
        console.log(`${name}-${size}-${theme}: ${String(error).split("\n")[0]}`);
      }
      await page.screenshot({ path: `${folder}/${name}-${size}-${theme}.png` });
      await report(page, `${name}-${size}-${theme}`);
    }
    await context.close();
  }
}
await browser.close();
