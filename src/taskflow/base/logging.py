"""Structured logs: JSON lines for machines, colours for a terminal; secrets are cut out on the way.

Tracebacks become text before that, because an exception's message may hold a secret too. On a terminal, what a caller
wrote (a path, a name) is shown escaped: it can neither steer the terminal nor forge a line. JSON does that by itself.
"""

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any, Literal

import structlog

from taskflow.base.terminal import printable

LogFormat = Literal["auto", "json", "console"]

_SECRET_KEYS = re.compile(r"password|secret|token|authorization|api_key|cookie|credential", re.IGNORECASE)
_URL_PASSWORD = re.compile(r"(?P<head>[a-z+]+://[^:/@\s]*:)[^/\s]+@", re.IGNORECASE)
_OUR_TOKEN = re.compile(r"\btf_[0-9a-f]{12}_[\w-]{40,}|\beyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]*", re.ASCII)
_REDACTED = "[redacted]"


def redact(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Replace values whose key names a secret, passwords inside URLs, and what looks like one of our tokens."""
    for key, value in event.items():
        event[key] = _REDACTED if _SECRET_KEYS.search(key) else _clean(value)
    return event


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        if "://" in value:
            value = _URL_PASSWORD.sub(rf"\g<head>{_REDACTED}@", value)
        return _OUR_TOKEN.sub(_REDACTED, value) if "tf_" in value or "eyJ" in value else value
    if isinstance(value, dict):
        return {key: _REDACTED if _SECRET_KEYS.search(str(key)) else _clean(item) for key, item in value.items()}
    return [_clean(item) for item in value] if isinstance(value, list | tuple) else value


def escape(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Write characters that a terminal would obey, or not show, as their escapes; a traceback keeps its lines."""
    for key, value in event.items():
        if isinstance(value, str):
            event[key] = printable(value, keep="\n" if key == "exception" else "")
    return event


def configure_logging(level: str = "INFO", fmt: LogFormat = "auto") -> None:
    """Set up structlog and the standard library's root logger to write to stderr once, in one format."""
    as_json = fmt == "json" or (fmt == "auto" and not sys.stderr.isatty())
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        redact,
    ]
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if as_json
        else structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)  # no locals: no secrets
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level)),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    processors: list[structlog.typing.Processor] = [structlog.stdlib.ProcessorFormatter.remove_processors_meta]
    if not as_json:
        processors.append(escape)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=[*processors, renderer])
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """Return the logger of a module: `log = get_logger(__name__)`."""
    return structlog.stdlib.get_logger(name)
