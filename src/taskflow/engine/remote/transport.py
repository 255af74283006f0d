"""How calls are sent, for both kinds of client: again when a connection breaks, if the call may be sent twice."""

from collections.abc import AsyncGenerator, Generator
from typing import Any

import httpx

from taskflow.engine.remote import calls
from taskflow.engine.remote.calls import Call

_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


async def send_call(http: httpx.AsyncClient, call: Call) -> Any:
    """Send a call and return the JSON of its answer.

    Raises:
        TaskFlowError: the API refused it, or did not answer (UnavailableError).
    """
    for attempt in range(1, calls.ATTEMPTS + 1):
        try:
            return calls.answer_of(await http.request(call.method, call.path, **call.arguments()))
        except httpx.TransportError as error:
            if not _sent_again(call, attempt, error):
                raise calls.silence(http.base_url, error) from error
    raise AssertionError


def send_call_blocking(http: httpx.Client, call: Call) -> Any:
    """Send a call and return the JSON of its answer; raises as `send_call` does."""
    for attempt in range(1, calls.ATTEMPTS + 1):
        try:
            return calls.answer_of(http.request(call.method, call.path, **call.arguments()))
        except httpx.TransportError as error:
            if not _sent_again(call, attempt, error):
                raise calls.silence(http.base_url, error) from error
    raise AssertionError


async def stream_call(http: httpx.AsyncClient, call: Call) -> AsyncGenerator[bytes]:
    """Send a call and yield the body of its answer, chunk by chunk; raises as `send_call` does."""
    try:
        async with http.stream(call.method, call.path, **call.arguments()) as answer:
            if not answer.is_success:
                await answer.aread()
                calls.answer_of(answer)
            async for chunk in answer.aiter_bytes():
                yield chunk
    except httpx.TransportError as error:
        raise calls.silence(http.base_url, error) from error


def stream_call_blocking(http: httpx.Client, call: Call) -> Generator[bytes]:
    """Send a call and yield the body of its answer, chunk by chunk; raises as `send_call` does."""
    try:
        with http.stream(call.method, call.path, **call.arguments()) as answer:
            if not answer.is_success:
                answer.read()
                calls.answer_of(answer)
            yield from answer.iter_bytes()
    except httpx.TransportError as error:
        raise calls.silence(http.base_url, error) from error


def _sent_again(call: Call, attempt: int, error: httpx.TransportError) -> bool:
    return attempt < calls.ATTEMPTS and (call.repeatable or isinstance(error, _NEVER_SENT))
