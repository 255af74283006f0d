"""Domain errors: a class is a kind of failure, its docstring the sentence a person reads.

Services raise these; only the edge (`api/problems.py`, `cli/`) turns them into HTTP problems (RFC 9457) or exit
codes. `code` is stable and part of the public contract; `status` is the HTTP status the edge answers with.
"""

from typing import Any, ClassVar


class TaskFlowError(Exception):
    """Something went wrong inside TaskFlow."""

    code: ClassVar[str] = "internal_error"
    status: ClassVar[int] = 500

    def __init__(self, detail: str | None = None, **context: Any) -> None:
        """Keep `detail` (this case's sentence: what, where, what to do) and `context` (JSON-safe extra members)."""
        super().__init__(detail or self.title())
        self.detail = detail
        self.context = context

    @classmethod
    def title(cls) -> str:
        """Return the first line of the class docstring: the sentence that is the same for every case."""
        return (cls.__doc__ or cls.__name__).strip().splitlines()[0]


class NotFoundError(TaskFlowError):
    """The thing you asked for does not exist."""

    code = "not_found"
    status = 404


class ConflictError(TaskFlowError):
    """The request does not fit the present state."""

    code = "conflict"
    status = 409


class InvalidInputError(TaskFlowError):
    """The input is not valid."""

    code = "invalid_input"
    status = 422


class UnauthenticatedError(TaskFlowError):
    """Sign in first: the credentials are missing, wrong or expired."""

    code = "unauthenticated"
    status = 401


class ForbiddenError(TaskFlowError):
    """Your role does not allow this."""

    code = "forbidden"
    status = 403


class RateLimitedError(TaskFlowError):
    """Too many requests: wait and try again."""

    code = "rate_limited"
    status = 429


class PayloadTooLargeError(TaskFlowError):
    """The request body is larger than allowed."""

    code = "payload_too_large"
    status = 413


class UnavailableError(TaskFlowError):
    """A service that TaskFlow needs does not answer: try again shortly."""

    code = "unavailable"
    status = 503


class ConfigurationError(TaskFlowError):
    """The configuration is not usable."""

    code = "configuration"
