"""The log of messages over HTTP: searched, counted, and many steered at once."""

import io
import zipfile
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest

from support.messages import PATH, ledger, send, send_text
from taskflow.base.ids import uuid7
from taskflow.db.pool import Database
from taskflow.delivery.message_ids import MessageIds
from taskflow.identity.secret_key import signing_key
from taskflow.settings import Settings

_DAY = timedelta(days=1)


async def found(client: httpx.AsyncClient, q: str, **query: Any) -> list[str]:
    answer = await client.get(PATH, params={"q": q, **query})
    assert answer.status_code == 200, answer.text
    return [one["address"] for one in answer.json()["items"]]


async def test_a_message_is_found_by_its_ids_and_its_subject(
    marketer: httpx.AsyncClient, database: Database, settings: Settings
) -> None:
    submitted = await send(marketer, "ann@example.com", "bob@example.com")
    ann, bob = (UUID(one["message_id"]) for one in submitted["messages"])
    await database.pool.execute(
        "UPDATE messages SET provider_message_id = '<2020.1@mg.example>' WHERE message_id = $1", ann
    )
    await database.pool.execute("UPDATE messages SET subject = 'Save 100% of_it' WHERE message_id = $1", bob)
    assert await found(marketer, str(ann)) == ["ann@example.com"]
    for name in ("<2020.1@mg.example>", "2020.1@mg.example"):
        assert await found(marketer, name) == ["ann@example.com"]
    message_id = MessageIds(signing_key(settings).get_secret_value().encode(), "shop@sender.example").of(bob)
    for name in (message_id, message_id.strip("<>").upper()):
        assert await found(marketer, name) == ["bob@example.com"]
    assert await found(marketer, "save 100%") == ["bob@example.com"]
    assert await found(marketer, "f_i") == ["bob@example.com"]
    assert await found(marketer, "%") == ["bob@example.com"], "no wildcard of the caller's"
    assert await found(marketer, str(uuid7())) == []
    assert await found(marketer, str(ann), address="ann@example.com", status="PENDING") == ["ann@example.com"]
    exported = await marketer.get(f"{PATH}/export.csv", params={"q": "save"})
    assert ("bob@example.com" in exported.text, "ann@example.com" in exported.text) == (True, False)


async def test_a_search_goes_through_seven_days_unless_it_says_and_never_through_a_year(
    marketer: httpx.AsyncClient, database: Database
) -> None:
    submitted = await send(marketer, "ann@example.com")
    old = UUID(int=UUID(submitted["messages"][0]["message_id"]).int - (8 * 86_400_000 << 80))
    await database.pool.execute("UPDATE messages SET message_id = $1, subject = 'Order'", old)
    assert await found(marketer, "order") == []
    ago = (datetime.now(UTC) - 9 * _DAY).isoformat()
    assert await found(marketer, "order", created_after=ago) == ["ann@example.com"]
    year = {"q": "order", "created_after": (datetime.now(UTC) - 365 * _DAY).isoformat()}
    for path in (PATH, f"{PATH}/export.csv"):
        answer = await marketer.get(path, params=year)
        assert (answer.status_code, answer.json()["code"]) == (422, "search_range")


async def test_what_was_sent_is_downloaded_in_one_archive(
    marketer: httpx.AsyncClient, viewer: httpx.AsyncClient, database: Database
) -> None:
    ann, _, other = [
        (await send(marketer, address, tags=[tag]))["messages"][0]["message_id"]
        for address, tag in (("ann@example.com", "order"), ("bob@example.com", "order"), ("eve@example.com", "other"))
    ]
    text = (await send_text(marketer, tags=["order"]))["messages"][0]["message_id"]
    kept = {ann: b"Subject: Hello\r\n\r\nHello \xff\r\n" * 1_000, text: "Your code ☃".encode(), other: b"Other"}
    for message_id, content in kept.items():
        await database.pool.execute("INSERT INTO message_contents VALUES ($1, $2)", UUID(message_id), content)
    answer = await marketer.get(f"{PATH}/export.zip", params={"tag": "order"})
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/zip")
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        found = {name: archive.read(name) for name in archive.namelist()}
    assert found == {f"{text}.txt": kept[text], f"{ann}.eml": kept[ann]}, "newest first, without what is not kept"
    [entry] = await database.pool.fetch("SELECT * FROM audit_log WHERE action = 'message.export_contents'")
    assert entry["target_id"] == "all"
    assert (await viewer.get(f"{PATH}/export.zip")).status_code == 403


async def test_counts_tell_every_interval_and_the_whole(
    marketer: httpx.AsyncClient, viewer: httpx.AsyncClient, database: Database
) -> None:
    await send(marketer, "ann@example.com", "bob@example.com", tags=["order"])
    await send(marketer, "eve@example.com")
    await database.pool.execute(
        "UPDATE messages SET status = 'SENT', sending_at = now(), sent_at = now(), provider = 'ses'"
        " WHERE address <> 'bob@example.com'"
    )
    told = (await viewer.get(f"{PATH}/stats")).json()
    assert (told["messages"], told["counts"], told["interval"]) == (3, {"SENT": 2, "PENDING": 1}, "hour")
    assert len(told["items"]) == 25, "those of a day, with both its broken ends"
    assert sum(sum(item["counts"].values()) for item in told["items"]) == 3
    assert all(item["at"].endswith(":00:00Z") for item in told["items"])
    for query, counts in (
        ({"tag": "order"}, {"SENT": 1, "PENDING": 1}),
        ({"provider": "ses"}, {"SENT": 2}),
        ({"channel": "sms"}, {}),
        ({"created_before": (datetime.now(UTC) - _DAY).isoformat()}, {}),
        ({"interval": "day"}, {"SENT": 2, "PENDING": 1}),
    ):
        assert (await viewer.get(f"{PATH}/stats", params=query)).json()["counts"] == counts, query
    for days in (40, -1):
        since = (datetime.now(UTC) - days * _DAY).isoformat()
        answer = await viewer.get(f"{PATH}/stats", params={"created_after": since})
        assert (answer.status_code, answer.json()["code"]) == (422, "stats_range")


async def test_what_waits_is_cancelled_by_call_tag_or_schedule(
    marketer: httpx.AsyncClient, viewer: httpx.AsyncClient, database: Database
) -> None:
    tomorrow = (datetime.now(UTC) + _DAY).isoformat()
    first = await send(marketer, "ann@example.com", "bob@example.com")
    await send(marketer, "cid@example.com", tags=["news"])
    await send(marketer, "dan@example.com", scheduled_at=tomorrow)
    await send(marketer, "eve@example.com")
    await database.pool.execute(
        "UPDATE messages SET status = 'DEFERRED', attention = 'DEFERRED' WHERE address = 'ann@example.com'"
    )
    await database.pool.execute(
        "UPDATE messages SET status = 'SENDING', sending_at = now() WHERE address = 'bob@example.com'"
    )

    async def cancelled(**body: Any) -> Any:
        return (await marketer.post(f"{PATH}/cancel", json=body)).json()

    assert (await cancelled())["code"] == "invalid_input", "nobody cancels all by accident"
    assert (await viewer.post(f"{PATH}/cancel", json={"all": True})).status_code == 403
    assert await cancelled(submission_id=first["submission_id"]) == {"cancelled": 1, "next_cursor": None}
    assert await cancelled(tag="news") == {"cancelled": 1, "next_cursor": None}
    assert await cancelled(scheduled=True) == {"cancelled": 1, "next_cursor": None}
    assert await cancelled(all=True, channel="email") == {"cancelled": 1, "next_cursor": None}
    states = {address[:3]: row["status"] for address, row in (await ledger(database)).items()}
    assert states == {"bob": "SENDING"} | dict.fromkeys(("ann", "cid", "dan", "eve"), "CANCELLED")
    assert await database.pool.fetchval("SELECT count(*) FROM tasks WHERE status = 'CANCELLED'") == 4
    entries = await database.pool.fetch("SELECT detail FROM audit_log WHERE action = 'message.cancel_many' ORDER BY 1")
    assert {"cancelled": 1, "tag": "news"} in [entry["detail"] for entry in entries]


async def test_uncertain_messages_are_resolved_by_filter(
    marketer: httpx.AsyncClient, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = ("ann@example.com", "bob@example.com", "cid@example.com")
    await send(marketer, *people)
    await send(marketer, "eve@example.com")
    await database.pool.execute(
        "UPDATE messages SET status = 'UNCERTAIN', attention = 'UNCERTAIN', sending_at = now(),"
        " provider = CASE WHEN address = 'eve@example.com' THEN 'ses' ELSE 'smtp' END"
    )

    async def resolved(**body: Any) -> Any:
        answer = await marketer.post(f"{PATH}/resolve", json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    assert await resolved(provider="smtp", resolution="resend") == {"resolved": 0, "next_cursor": None}, "tasks go on"
    await database.pool.execute(
        "UPDATE tasks SET status = 'FAILED', completed_at = now(), failed_at = now()"
        " WHERE task_id IN (SELECT message_id FROM messages WHERE address IN ('ann@example.com', 'eve@example.com'))"
    )
    await database.pool.execute(
        "DELETE FROM tasks WHERE task_id IN (SELECT message_id FROM messages WHERE address = 'bob@example.com')"
    )
    assert await resolved(provider="smtp", resolution="resend") == {"resolved": 2, "next_cursor": None}
    assert await database.pool.fetchval("SELECT count(*) FROM tasks WHERE status = 'PENDING'") == 3
    monkeypatch.setattr("taskflow.delivery.messages.steering.MOST_A_CALL", 1)
    monkeypatch.setattr("taskflow.delivery.messages.log._SLICE", 1)
    first = await resolved(all=True, resolution="sent")
    assert first["resolved"] == 1
    assert (await resolved(all=True, resolution="sent", cursor=first["next_cursor"]))["resolved"] == 1
    assert (await marketer.post(f"{PATH}/resolve", json={"all": True, "resolution": "sent", "cursor": "?"})).json()[
        "code"
    ] == "invalid_cursor"
    states = {address[:3]: row["status"] for address, row in (await ledger(database)).items()}
    assert states == {"ann": "PENDING", "bob": "PENDING", "cid": "SENT", "eve": "SENT"}
