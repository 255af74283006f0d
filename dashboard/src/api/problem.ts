/** An answer that is not 2xx, as RFC 9457 problem details. */
export interface ProblemBody {
  title?: string;
  status?: number;
  detail?: string;
  code?: string;
  request_id?: string;
  [extension: string]: unknown;
}

export class ApiProblem extends Error {
  readonly status: number;
  readonly code: string;
  readonly title: string;
  readonly requestId: string | null;
  /** Seconds the server asks us to wait, from Retry-After; null when it did not say. */
  readonly retryAfter: number | null;
  readonly body: ProblemBody;

  constructor(status: number, body: ProblemBody, headers?: Headers) {
    const title = body.title ?? fallbackTitle(status);
    super(body.detail ?? title);
    this.name = "ApiProblem";
    this.status = status;
    this.code = body.code ?? `http_${status}`;
    this.title = title;
    this.requestId = body.request_id ?? headers?.get("x-request-id") ?? null;
    const wait = Number(headers?.get("retry-after"));
    this.retryAfter = Number.isFinite(wait) && wait > 0 ? wait : null;
    this.body = body;
  }
}

/** The request never got an answer: server down, network gone, tab offline. */
export class Unreachable extends Error {
  readonly code = "unreachable";
  constructor(cause: unknown) {
    super("The server did not answer.", { cause });
    this.name = "Unreachable";
  }
}

export async function problemFrom(response: Response): Promise<ApiProblem> {
  const body: unknown = await response.json().catch(() => ({}));
  return new ApiProblem(
    response.status,
    typeof body === "object" && body !== null ? (body as ProblemBody) : {},
    response.headers,
  );
}

/** The sentence to show for any thrown value. */
export function sentence(error: unknown): string {
  return error instanceof Error ? error.message : "Something went wrong.";
}

function fallbackTitle(status: number): string {
  if (status === 401) return "You are signed out";
  if (status === 403) return "Your role does not allow this";
  if (status === 404) return "Not found";
  if (status === 429) return "Too many requests";
  return status >= 500 ? "The server failed" : "The request was refused";
}
