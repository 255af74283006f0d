import { beforeEach, describe, expect, it, vi } from "vitest";

const user = { user_id: "1", email: "a@example.com", role: "admin" as const };
const pair = (n: number, expires_in = 900) => ({
  access_token: `access-${n}`,
  refresh_token: `refresh-${n}`,
  token_type: "bearer",
  expires_in,
  user,
});
const answer = (body: unknown, status = 200) => new Response(JSON.stringify(body), { status });

async function fresh() {
  vi.resetModules();
  return import("@/api/session");
}

beforeEach(() => {
  sessionStorage.clear();
  vi.unstubAllGlobals();
});

describe("the session", () => {
  it("spends a refresh token once, however many ask", async () => {
    sessionStorage.setItem("taskflow.refresh", "refresh-1");
    const fetch = vi.fn(async () => answer(pair(2)));
    vi.stubGlobal("fetch", fetch);
    const session = await fresh();
    const tokens = await Promise.all([
      session.accessToken(),
      session.accessToken(),
      session.refresh(),
    ]);
    expect(tokens.slice(0, 2)).toEqual(["access-2", "access-2"]);
    expect(fetch).toHaveBeenCalledOnce();
    expect(sessionStorage.getItem("taskflow.refresh")).toBe("refresh-2");
  });
  it("renews a token that is about to end before it is used", async () => {
    let n = 0;
    vi.stubGlobal(
      "fetch",
      vi.fn(async () => answer(pair(++n, n === 1 ? 5 : 900))),
    );
    const session = await fresh();
    await session.signIn("a@example.com", "secret");
    expect(await session.accessToken()).toBe("access-2");
  });
  it("is over when the server refuses the refresh token", async () => {
    sessionStorage.setItem("taskflow.refresh", "refresh-1");
    vi.stubGlobal(
      "fetch",
      vi.fn(async () => answer({ code: "token_reused" }, 401)),
    );
    const session = await fresh();
    expect(await session.accessToken()).toBeNull();
    expect(session.currentUser()).toBeNull();
    expect(sessionStorage.getItem("taskflow.refresh")).toBeNull();
  });
  it("keeps the token when the server is only away", async () => {
    sessionStorage.setItem("taskflow.refresh", "refresh-1");
    vi.stubGlobal(
      "fetch",
      vi.fn(async () => Promise.reject(new TypeError("failed to fetch"))),
    );
    const session = await fresh();
    await expect(session.refresh()).rejects.toThrow("did not answer");
    expect(sessionStorage.getItem("taskflow.refresh")).toBe("refresh-1");
  });
});
