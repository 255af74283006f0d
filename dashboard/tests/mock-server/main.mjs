// A stand-in for the API, to look at the dashboard without one: node tests/mock-server/main.mjs [port]
// Serves the built dashboard too, with the CSP that the API sends. Any password signs in; the address chooses the role.
import { createReadStream, existsSync, statSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { users } from "./data.mjs";
import { attachLive } from "./live.mjs";
import { Problem, routes } from "./routes.mjs";

const port = Number(process.argv[2] ?? 8000);
const delay = Number(process.env.MOCK_DELAY ?? 0);
const failing = process.env.MOCK_FAIL ?? "";
const built = fileURLToPath(new URL("../../../src/taskflow/api/dashboard/", import.meta.url));
const policy =
  "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; frame-src 'self' blob: data:; connect-src 'self'; object-src 'none'; base-uri 'self'";
const types = {
  ".html": "text/html",
  ".js": "text/javascript",
  ".css": "text/css",
  ".svg": "image/svg+xml",
  ".png": "image/png",
  ".woff2": "font/woff2",
  ".webmanifest": "application/manifest+json",
};

const compiled = routes.map(([method, pattern, answer]) => {
  const names = [...pattern.matchAll(/:(\w+)/g)].map((match) => match[1]);
  return {
    method,
    names,
    answer,
    expression: new RegExp(`^/api/v1${pattern.replace(/:\w+/g, "([^/]+)")}$`),
  };
});

let turn = 0;
const spent = new Set();

function pair(user) {
  turn += 1;
  return {
    access_token: `access.${user.email}.${turn}`,
    refresh_token: `refresh.${user.email}.${turn}`,
    token_type: "bearer",
    expires_in: Number(process.env.MOCK_EXPIRES ?? 900),
    user,
  };
}

const userOf = (token) =>
  users.find((user) => token?.split(".").slice(1, -1).join(".") === user.email);

function auth(path, body) {
  if (path === "/api/v1/auth/login") {
    const user = users.find((each) => each.email === body.email);
    if (!user || body.password === "wrong")
      throw new Problem(
        401,
        "invalid_credentials",
        "Sign-in failed",
        "E-mail or password is wrong.",
      );
    return pair(user);
  }
  if (path === "/api/v1/auth/refresh") {
    const user = userOf(body.refresh_token);
    if (!user || spent.has(body.refresh_token))
      throw new Problem(401, "token_reused", "Signed out", "This session has ended.");
    spent.add(body.refresh_token);
    return pair(user);
  }
  if (path === "/api/v1/auth/logout") return null;
  if (path === "/api/v1/auth/ws-ticket") return { ticket: `ticket-${turn}`, expires_in: 30 };
  return undefined;
}

async function read(request) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const text = Buffer.concat(chunks).toString();
  return request.headers["content-type"]?.startsWith("application/json") && text
    ? JSON.parse(text)
    : {};
}

function send(response, status, body) {
  response.writeHead(status, {
    "Content-Type": status >= 400 ? "application/problem+json" : "application/json",
  });
  response.end(body === null ? undefined : JSON.stringify(body));
}

async function api(request, response, url) {
  const body = await read(request);
  if (delay) await new Promise((resolve) => setTimeout(resolve, delay));
  const signedIn = auth(url.pathname, body);
  if (signedIn !== undefined) return send(response, signedIn === null ? 204 : 200, signedIn);
  const user = userOf(request.headers.authorization?.replace("Bearer ", ""));
  if (!user) throw new Problem(401, "not_authenticated", "Not signed in", "Sign in first.");
  if (failing && url.pathname.includes(failing))
    throw new Problem(
      503,
      "database_unavailable",
      "The database does not answer",
      "PostgreSQL refused the connection. The request was not carried out.",
    );
  if (url.pathname.endsWith(".csv") || url.pathname.endsWith("/raw")) {
    response.writeHead(200, { "Content-Type": "text/csv" });
    return response.end("email,status\nzoe@example.com,SENT\n");
  }
  for (const { method, expression, names, answer } of compiled) {
    const match = method === request.method && expression.exec(url.pathname);
    if (!match) continue;
    const params = Object.fromEntries(names.map((name, index) => [name, match[index + 1]]));
    const result = answer({ params, body, query: url.searchParams, user });
    return send(response, result === null ? 204 : 200, result);
  }
  throw new Problem(404, "no_route", "Not found", "There is no such route.");
}

function file(response, path) {
  const wanted = join(built, normalize(path));
  const found =
    wanted.startsWith(built) && existsSync(wanted) && statSync(wanted).isFile()
      ? wanted
      : join(built, "index.html");
  response.writeHead(200, {
    "Content-Type": types[extname(found)] ?? "application/octet-stream",
    "Content-Security-Policy": policy,
  });
  createReadStream(found).pipe(response);
}

const server = createServer((request, response) => {
  const url = new URL(request.url, "http://mock");
  if (!url.pathname.startsWith("/api/")) return file(response, url.pathname);
  api(request, response, url).catch((error) => {
    const {
      status = 500,
      code = "internal",
      title = "The server failed",
      detail = String(error.stack),
      more = {},
    } = error;
    send(response, status, {
      type: "about:blank",
      title,
      status,
      detail,
      code,
      request_id: "01993f6a-7c2e-7d11-a5b8-3f60c1d2e9aa",
      ...more,
    });
  });
});
attachLive(server, { still: process.env.MOCK_STILL === "1" });
server.listen(port, "127.0.0.1", () => console.log(`mock API on http://127.0.0.1:${port}`));
