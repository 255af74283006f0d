/** The one way to the API: typed calls, a fresh token on each, problems thrown as `ApiProblem`. */
import createClient from "openapi-fetch";
import { problemFrom, Unreachable } from "./problem";
import type { paths } from "./schema.gen";
import * as session from "./session";

/** `fetch` with the session's token; a 401 is answered with one refresh and one retry. */
export async function authorisedFetch(request: Request): Promise<Response> {
  const again = request.clone();
  const token = await session.accessToken();
  const response = await send(request, token);
  if (response.status !== 401 || !token) return response;
  session.expire(token);
  const renewed = await session.accessToken();
  return renewed ? send(again, renewed) : response;
}

async function send(request: Request, token: string | null): Promise<Response> {
  if (token) request.headers.set("Authorization", `Bearer ${token}`);
  const response = await fetch(request).catch((cause: unknown) => {
    if (cause instanceof DOMException && cause.name === "AbortError") throw cause;
    throw new Unreachable(cause);
  });
  if (!response.ok && response.status !== 401) throw await problemFrom(response);
  return response;
}

async function throwing(request: Request): Promise<Response> {
  const response = await authorisedFetch(request);
  if (!response.ok) throw await problemFrom(response);
  return response;
}

export const api = createClient<paths>({ baseUrl: location.origin, fetch: throwing });

/** The body of an answer that is known to be 2xx: `throwing` has thrown otherwise. */
export async function body<T>(call: Promise<{ data?: T }>): Promise<T> {
  return (await call).data as T;
}

/** For multipart uploads and downloads, which the generated client does not describe well. */
export function raw(path: string, init?: RequestInit): Promise<Response> {
  return throwing(new Request(`${location.origin}/api/v1${path}`, init));
}

/** Fetches a file with the session's token and hands it to the browser to keep. */
export async function download(path: string, filename: string): Promise<void> {
  const response = await raw(path);
  const url = URL.createObjectURL(await response.blob());
  const link = document.createElement("a");
  link.href = url;
  link.download = filename;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
