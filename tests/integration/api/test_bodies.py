"""Bodies: bombs, wrong types, other sites' forms."""

import resource
import time

import httpx
import pytest

from support.api import Api

JSON = {"Content-Type": "application/json"}
TASKS = "/api/v1/tasks"


def _bombs() -> dict[str, bytes]:
    return {
        "deep lists": b'{"task_name": "x", "args": {"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}}",
        "deep objects": b'{"task_name": "x", "args": ' + b'{"a":' * 50_000 + b"1" + b"}" * 50_000 + b"}",
        "endless number": b'{"task_name": "x", "args": {"a": ' + b"9" * 1_000_000 + b"}}",
        "exponent": b'{"task_name": "x", "max_retries": 1e400000}',
        "many keys": b'{"task_name": "x", "args": {' + b",".join(b'"%d":0' % n for n in range(200_000)) + b"}}",
        "many unknown members": b"{" + b",".join(b'"%d":0' % n for n in range(100_000)) + b"}",
        "many wrong numbers": b'{"task_name": "x", "kwargs": [' + b"1," * 1_000_000 + b"1]}",
        "a long string": b'{"task_name": "x", "args": {"a": "' + b"x" * 9_000_000 + b'"}}',
        "a NUL": b'{"task_name": "x", "args": {"a": "\\u0000"}}',
        "half a surrogate": b'{"task_name": "x", "args": {"a": "\\ud800"}}',
        "no UTF-8": b'{"task_name": "\xff\xfe"}',
        "NaN": b'{"task_name": "x", "args": {"a": [null, {"b": NaN}]}}',
        "infinity": b'{"task_name": "x", "args": [-Infinity]}',
        "beyond a double": b'{"task_name": "x", "kwargs": {"a": 1e400}}',
        "not a number": b'{"task_name": "x", "args": {"a": NaN}, "max_retries": NaN}',
    }


@pytest.mark.parametrize("name", _bombs())
async def test_a_bomb_is_refused_quickly_and_costs_little_memory(operator: httpx.AsyncClient, name: str) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.perf_counter()
    answer = await operator.post(TASKS, content=_bombs()[name], headers=JSON)
    assert answer.status_code in (400, 413, 422), answer.text[:200]
    assert time.perf_counter() - started < 2
    assert len(answer.content) < 300_000
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
    bomb = b"a" * 150_000 + b"-" + b"a" * 150_000  # seconds as punycode, in which the whole process would stand still
    body = b'--x\r\nContent-Disposition: form-data; name="x-"\r\n\r\n' + bomb + b"\r\n--x--\r\n"
    kind = f"multipart/form-data; boundary=x; Charset={charset}"
    started = time.perf_counter()
    answer = await operator.post("/api/v1/campaigns", content=body, headers={"Content-Type": kind})
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")
    assert time.perf_counter() - started < 1
    plain = {"Content-Type": "multipart/form-data; boundary=x; charset=UTF-8"}
    assert (await operator.post("/api/v1/campaigns", content=body, headers=plain)).json()["code"] == "no_file"


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


async def test_ten_thousand_wrong_tasks_are_refused_quickly(operator: httpx.AsyncClient) -> None:
    crowd = {f"m{number}": 0 for number in range(90)}
    started = time.perf_counter()
    answer = await operator.post(f"{TASKS}/bulk", json={"tasks": [crowd] * 8_000})
    assert answer.status_code == 422
    assert time.perf_counter() - started < 2
    assert len(answer.json()["errors"]) <= 100
