import { ApiProblem, Unreachable } from "./problem";

/** What the error views show; see `components/ui/feedback`. */
export function failureOf(error: unknown) {
  if (error instanceof ApiProblem) {
    return {
      status: error.status,
      code: error.code,
      title: error.title,
      detail: error.message,
      requestId: error.requestId,
    };
  }
  if (error instanceof Unreachable) {
    return {
      code: error.code,
      title: "The server does not answer",
      detail: "Is `taskflow up` running? The page tries again when you do.",
      requestId: null,
    };
  }
  const detail = error instanceof Error ? error.message : String(error);
  return { code: "dashboard_error", title: "The dashboard stumbled", detail, requestId: null };
}
