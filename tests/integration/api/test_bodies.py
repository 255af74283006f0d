"""Bodies: bombs, wrong types, other sites' forms."""

import resource
from collections.abc import Callable

import httpx
import pytest

from support.api import Api
from support.growth import grows_linearly

JSON = {"Content-Type": "application/json"}
TASKS = "/api/v1/tasks"


BOMBS: dict[str, Callable[[int], bytes]] = {
    "deep lists": lambda size: b'{"task_name": "x", "args": {"a": ' + b"[" * size + b"]" * size + b"}}",
    "deep objects": lambda size: b'{"task_name": "x", "args": ' + b'{"a":' * size + b"1" + b"}" * size + b"}",
    "endless number": lambda size: b'{"task_name": "x", "args": {"a": ' + b"9" * 10 * size + b"}}",
    "many keys": lambda size: b'{"task_name": "x", "args": {' + _members(5 * size) + b"}}",
    "many unknown members": lambda size: b"{" + _members(size) + b"}",
    "many wrong numbers": lambda size: b'{"task_name": "x", "kwargs": [' + b"1," * 10 * size + b"1]}",
    "a long string": lambda size: b'{"task_name": "x", "args": {"a": "' + b"x" * 90 * size + b'"}}',
}
FAULTS = {
    "exponent": b'{"task_name": "x", "max_retries": 1e400000}',
    "a NUL": b'{"task_name": "x", "args": {"a": "\\u0000"}}',
    "half a surrogate": b'{"task_name": "x", "args": {"a": "\\ud800"}}',
    "no UTF-8": b'{"task_name": "\xff\xfe"}',
    "NaN": b'{"task_name": "x", "args": {"a": [null, {"b": NaN}]}}',
    "infinity": b'{"task_name": "x", "args": [-Infinity]}',
    "beyond a double": b'{"task_name": "x", "kwargs": {"a": 1e400}}',
    "not a number": b'{"task_name": "x", "args": {"a": NaN}, "max_retries": NaN}',
}


def _members(count: int) -> bytes:
    return b",".join(b'"%d":0' % number for number in range(count))


async def _refused(operator: httpx.AsyncClient, body: bytes) -> None:
    answer = await operator.post(TASKS, content=body, headers=JSON)
    assert answer.status_code in (400, 413, 422), answer.text[:200]
    assert len(answer.content) < 300_000
    assert len(answer.json().get("errors", ())) < 100, "a sentence about everything that is wrong"


@pytest.mark.parametrize("name", BOMBS)
async def test_a_bomb_is_refused_and_costs_little_time_and_memory(operator: httpx.AsyncClient, name: str) -> None:
    bombs = {size: BOMBS[name](size) for size in (25_000, 100_000)}
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    await grows_linearly(lambda size: _refused(operator, bombs[size]), 100_000)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300 * 1024  # KiB
    assert (await operator.get("/health")).status_code == 200


@pytest.mark.parametrize("name", FAULTS)
async def test_a_small_fault_is_refused_and_costs_little_memory(operator: httpx.AsyncClient, name: str) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    await _refused(operator, FAULTS[name])
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300 * 1024  # KiB
    assert (await operator.get("/health")).status_code == 200


async def test_a_body_over_the_limit_is_413_whether_it_says_so_or_not(api: Api, operator: httpx.AsyncClient) -> None:
    limit = api.settings.http.max_body_bytes
    declared = await operator.post(TASKS, content=b" " * (limit + 1), headers=JSON)
    assert (declared.status_code, declared.json()["code"]) == (413, "payload_too_large")
    sent = 0

    async def stream():
        nonlocal sent
        while sent < 3 * limit:
            sent += 1_000_000
            yield b" " * 1_000_000

    for headers in (JSON, JSON | {"Idempotency-Key": "big"}):
        sent = 0
        streamed = await operator.post(TASKS, content=stream(), headers=headers)
        assert (streamed.status_code, streamed.json()["code"]) == (413, "payload_too_large")


@pytest.mark.parametrize("path", ["/api/v1/auth/login", "/api/v1/auth/refresh", "/unsubscribe/x"])
async def test_who_has_no_credential_sends_little(api: Api, path: str) -> None:
    bomb = b'{"email": "a@example.com", "password": [' + b"[]," * 100_000 + b"0]}"
    declared = await api.anonymous.post(path, content=bomb, headers=JSON)
    assert (declared.status_code, declared.json()["code"]) == (413, "payload_too_large")

    async def stream():
        yield bomb

    streamed = await api.anonymous.post(path, content=stream(), headers=JSON)
    assert streamed.status_code in (404, 413)  # a link that is not ours is not worth reading a body for


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "", "application/jsonx", "text/json"]
)
async def test_only_json_changes_anything(operator: httpx.AsyncClient, kind: str) -> None:
    answer = await operator.post(TASKS, content=b'{"task_name": "x"}', headers={"Content-Type": kind} if kind else {})
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")


async def test_json_that_poses_as_an_upload_is_not_read_as_json(operator: httpx.AsyncClient) -> None:
    answer = await operator.post(
        TASKS, content=b'{"task_name": "x"}', headers={"Content-Type": "multipart/form-data; boundary=x"}
    )
    assert answer.status_code == 422


@pytest.mark.parametrize("charset", ["punycode", "undefined", '"idna"', "utf-16", "utf-7", "unicode_escape", "latin-1"])
async def test_a_form_is_utf_8_and_no_codec_of_its_own_choice(operator: httpx.AsyncClient, charset: str) -> None:
    kind = f"multipart/form-data; boundary=x; Charset={charset}"

    def form(size: int) -> bytes:
        """Name a field with what takes seconds as punycode, in which the whole process would stand still."""
        bomb = b"a" * size + b"-" + b"a" * size
        return b'--x\r\nContent-Disposition: form-data; name="x-"\r\n\r\n' + bomb + b"\r\n--x--\r\n"

    async def refuse(size: int) -> None:
        answer = await operator.post("/api/v1/campaigns", content=form(size), headers={"Content-Type": kind})
        assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")

    await grows_linearly(refuse, 150_000)
    plain = {"Content-Type": "multipart/form-data; boundary=x; charset=UTF-8"}
    assert (await operator.post("/api/v1/campaigns", content=form(1), headers=plain)).json()["code"] == "no_file"


async def test_compressed_bodies_are_refused(operator: httpx.AsyncClient) -> None:
    answer = await operator.post(TASKS, content=b"\x1f\x8b" + b"\0" * 100, headers=JSON | {"Content-Encoding": "gzip"})
    assert answer.status_code == 415


@pytest.mark.parametrize(
    "origin", ["null", "http://evil.example", "http://testserver.evil.example", "https://a.example:8443"]
)
async def test_another_sites_page_changes_nothing(api: Api, operator: httpx.AsyncClient, origin: str) -> None:
    for client, path, body in (
        (operator, TASKS, {"task_name": "x"}),
        (api.anonymous, "/api/v1/auth/login", {"email": "a@example.com", "password": "wrong password"}),
    ):
        answer = await client.post(path, json=body, headers={"Origin": origin})
        assert (answer.status_code, answer.json()["code"]) == (403, "foreign_origin")
        assert "access-control-allow-origin" not in answer.headers


async def test_our_own_page_may(operator: httpx.AsyncClient) -> None:
    answer = await operator.post(TASKS, json={"task_name": "x"}, headers={"Origin": "http://testserver"})
    assert answer.status_code == 201


async def test_of_many_wrong_tasks_only_the_first_is_reported(operator: httpx.AsyncClient) -> None:
    task = b"{" + b",".join(b'"m%d":0' % number for number in range(90)) + b"}"
    bodies = {count: b'{"tasks": [' + b",".join([task] * count) + b"]}" for count in (2_000, 8_000)}

    async def refuse(count: int) -> None:
        answer = await operator.post(f"{TASKS}/bulk", content=bodies[count], headers=JSON)
        assert answer.status_code == 422
        pointers = [error["pointer"] for error in answer.json()["errors"]]
        assert 90 <= len(pointers) < 100
        assert {pointer.split("/")[2] for pointer in pointers} == {"0"}, "a sentence costs more than the reading"

    await grows_linearly(refuse, 8_000)
