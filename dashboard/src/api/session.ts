/**
 * Who is signed in.
 *
 * The access token lives in memory, the refresh token in sessionStorage. The server kills the whole token family when a
 * refresh token is presented twice, so a token is spent at most once: refreshes of one tab share a promise, refreshes
 * of several tabs (a duplicated tab copies sessionStorage) take turns under a Web Lock, and the winner tells the others.
 * A new tab asks the open ones for their session, so a link opens signed in.
 */
import { problemFrom, Unreachable } from "./problem";
import type { Me, TokenPair } from "./types";

interface Session {
  accessToken: string;
  refreshToken: string;
  /** Milliseconds since the epoch. */
  expiresAt: number;
  user: Me;
}

type Message =
  | { kind: "ask" }
  | { kind: "session"; session: Session; replaces: string | null }
  | { kind: "signed-out"; refreshToken: string };

const STORAGE_KEY = "taskflow.refresh";
const ASK_WAIT_MS = 120;
/** Refresh this long before expiry, so that a request never meets a token that ends on the way. */
const EARLY_MS = 20_000;

let session: Session | null = null;
let refreshing: Promise<Session | null> | null = null;
const listeners = new Set<() => void>();
const channel = typeof BroadcastChannel === "undefined" ? null : new BroadcastChannel("taskflow");

function storedToken(): string | null {
  return sessionStorage.getItem(STORAGE_KEY);
}

function set(next: Session | null): void {
  session = next;
  if (next) sessionStorage.setItem(STORAGE_KEY, next.refreshToken);
  else sessionStorage.removeItem(STORAGE_KEY);
  for (const listener of listeners) listener();
}

function send(message: Message): void {
  channel?.postMessage(message);
}

channel?.addEventListener("message", ({ data }: MessageEvent<Message>) => {
  if (data.kind === "ask") {
    if (session) send({ kind: "session", session, replaces: null });
  } else if (data.kind === "session") {
    const mine = storedToken();
    if (mine === null || mine === data.replaces) set(data.session);
  } else if (data.refreshToken === storedToken()) {
    set(null);
  }
});

function adopt(pair: TokenPair, replaces: string | null): Session {
  const next: Session = {
    accessToken: pair.access_token,
    refreshToken: pair.refresh_token,
    expiresAt: Date.now() + pair.expires_in * 1000,
    user: pair.user,
  };
  set(next);
  send({ kind: "session", session: next, replaces });
  return next;
}

async function post(path: string, body: unknown): Promise<Response> {
  return fetch(`/api/v1${path}`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  }).catch((cause: unknown) => {
    throw new Unreachable(cause);
  });
}

async function spend(): Promise<Session | null> {
  const token = storedToken();
  if (!token) return null;
  // Another tab may have refreshed while this one waited for the lock.
  if (session && session.refreshToken === token && session.expiresAt - EARLY_MS > Date.now()) {
    return session;
  }
  const response = await post("/auth/refresh", { refresh_token: token });
  if (response.ok) return adopt((await response.json()) as TokenPair, token);
  if (response.status === 401 || response.status === 403) {
    if (storedToken() === token) set(null);
    return session;
  }
  throw await problemFrom(response);
}

/** `spend`, but one tab at a time. */
async function spendInTurn(): Promise<Session | null> {
  return navigator.locks ? await navigator.locks.request("taskflow.refresh", spend) : await spend();
}

export function refresh(): Promise<Session | null> {
  refreshing ??= spendInTurn().finally(() => {
    refreshing = null;
  });
  return refreshing;
}

/** A token that is good for the next request, or null when nobody is signed in. */
export async function accessToken(): Promise<string | null> {
  if (session && session.expiresAt - EARLY_MS > Date.now()) return session.accessToken;
  return (await refresh())?.accessToken ?? null;
}

/** The server refused `used`: forget it, unless it has been replaced meanwhile. */
export function expire(used: string): void {
  if (session?.accessToken === used) session = { ...session, expiresAt: 0 };
}

/** Called once at start: an own refresh token, or a session lent by another tab. */
export async function restore(): Promise<void> {
  if (storedToken()) {
    await refresh();
    return;
  }
  send({ kind: "ask" });
  await new Promise((resolve) => setTimeout(resolve, channel ? ASK_WAIT_MS : 0));
}

export async function signIn(email: string, password: string): Promise<Me> {
  const response = await post("/auth/login", { email, password });
  if (!response.ok) throw await problemFrom(response);
  return adopt((await response.json()) as TokenPair, null).user;
}

export async function signOut(): Promise<void> {
  const token = storedToken();
  if (!token) return;
  await post("/auth/logout", { refresh_token: token }).catch(() => undefined);
  send({ kind: "signed-out", refreshToken: token });
  set(null);
}

export function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function currentUser(): Me | null {
  return session?.user ?? null;
}
