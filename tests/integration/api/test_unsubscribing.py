"""The link in a mail: one click leaves the lists that brought it, and the page offers to leave everything."""

from typing import Any
from uuid import UUID

import httpx
import pytest

from support.api import Api
from support.contacts import add_contact, add_list, subscribe
from taskflow.db.pool import Database
from taskflow.delivery.unsubscribe_links import UnsubscribeLinks
from taskflow.settings import Settings

EMAIL = "ada@example.com"


class Mailed:
    """Ada, who is on three lists, and the links of what she was sent."""

    def __init__(self, api: Api, marketer: httpx.AsyncClient, settings: Settings, contact_id: UUID) -> None:
        self.api, self.marketer, self.database, self.contact_id = api, marketer, api.database, contact_id
        assert settings.secret_key is not None
        self.links = UnsubscribeLinks(settings.secret_key.get_secret_value().encode(), "")
        self.lists: dict[str, UUID] = {}

    async def start(self, **audience: list[UUID]) -> UUID:
        """Start a campaign to an audience."""
        body = {
            "name": "Letter", "template_subject": "Hello", "template_body": "<p>Hello</p>",
            "from_email": "shop@sender.example", "from_name": "Shop",
            "audience": {name: [str(one) for one in ids] for name, ids in audience.items()},
        }  # fmt: skip
        made = (await self.marketer.post("/api/v1/campaigns", json=body)).json()
        begun = await self.marketer.post(f"/api/v1/campaigns/{made['campaign_id']}/start")
        assert begun.status_code == 200, begun.text
        return UUID(made["campaign_id"])

    async def link(self, **audience: list[UUID]) -> str:
        """Return the link in what a new campaign sends to Ada."""
        campaign_id = await self.start(**audience)
        recipient_id = await self.database.pool.fetchval(
            "SELECT recipient_id FROM email_recipients WHERE campaign_id = $1 AND email = $2", campaign_id, EMAIL
        )
        return self.links.of(campaign_id, recipient_id)

    async def standing(self) -> tuple[str, dict[str, str]]:
        """Return the status of the contact, and that of each subscription."""
        rows = await self.database.pool.fetch(
            "SELECT l.name, s.status FROM subscriptions s JOIN mailing_lists l USING (list_id) WHERE contact_id = $1",
            self.contact_id,
        )
        status = await self.database.pool.fetchval("SELECT status FROM subscribers")
        return status, {row["name"]: row["status"] for row in rows}

    async def suppressions(self) -> set[tuple[str, UUID | None]]:
        rows = await self.database.pool.fetch("SELECT address, list_id FROM suppressions")
        return {(row["address"], row["list_id"]) for row in rows}


@pytest.fixture
async def ada(api: Api, marketer: httpx.AsyncClient, settings: Settings, database: Database) -> Mailed:
    found = Mailed(api, marketer, settings, await add_contact(database, EMAIL))
    for name in ("News", "Offers", "Events"):
        found.lists[name] = await add_list(database, name, [found.contact_id])
    return found


@pytest.mark.parametrize("body", [b"", b"List-Unsubscribe=One-Click", b'name="List-Unsubscribe"\r\n\r\nOne-Click'])
async def test_one_click_leaves_the_list_that_brought_the_mail_and_no_other(ada: Mailed, body: bytes) -> None:
    path = await ada.link(lists=[ada.lists["News"]])
    page = await ada.api.anonymous.get(path)
    assert "<strong>News</strong>" in page.text
    assert "No more mail at all" in page.text
    assert "Offers" not in page.text
    done = await ada.api.anonymous.post(path, content=body)
    assert (done.status_code, "<strong>News</strong>" in done.text) == (200, True)
    status, lists = await ada.standing()
    assert (status, lists) == ("ACTIVE", {"News": "UNSUBSCRIBED", "Offers": "CONFIRMED", "Events": "CONFIRMED"})
    assert await ada.suppressions() == {(EMAIL, ada.lists["News"])}  # the window that is next finds it
    audience = {"lists": [str(ada.lists["Offers"])]}
    counted = await ada.marketer.post("/api/v1/audiences/count", json=audience)
    assert counted.json()["recipients"] == 1
    assert "You are unsubscribed" in (await ada.api.anonymous.get(path)).text
    await ada.api.anonymous.post(path)
    audited = await ada.database.pool.fetch("SELECT detail FROM audit_log WHERE action = 'recipient.unsubscribe'")
    assert [row["detail"]["lists"] for row in audited] == [[str(ada.lists["News"])]]
    events = await ada.database.pool.fetch("SELECT event_type, contact_id FROM campaign_events")
    assert [tuple(row) for row in events] == [("unsubscribed", ada.contact_id)]


async def test_all_lists_of_the_campaign_are_left_which_would_bring_its_next_one(ada: Mailed) -> None:
    path = await ada.link(lists=[ada.lists["News"], ada.lists["Offers"]])
    assert "<strong>News</strong>, <strong>Offers</strong>" in (await ada.api.anonymous.get(path)).text
    await ada.api.anonymous.post(path, data={"List-Unsubscribe": "One-Click"})
    assert (await ada.standing())[1] == {"News": "UNSUBSCRIBED", "Offers": "UNSUBSCRIBED", "Events": "CONFIRMED"}


async def test_the_page_ends_everything_and_who_comes_back_to_one_list_comes_back_to_that_one(
    ada: Mailed, database: Database
) -> None:
    path = await ada.link(lists=[ada.lists["News"]])
    done = await ada.api.anonymous.post(path, data={"scope": "everything"})
    assert "sends no more mail" in done.text
    assert await ada.standing() == ("UNSUBSCRIBED", dict.fromkeys(ada.lists, "UNSUBSCRIBED"))
    assert await ada.suppressions() == {(EMAIL, None)}
    for list_id in ada.lists.values():
        added = await ada.marketer.post(
            f"/api/v1/lists/{list_id}/contacts", json={"contact_ids": [str(ada.contact_id)]}
        )
        assert added.json() == {"confirmed": 0, "pending": 0, "unchanged": 1}
    await ada.marketer.patch(f"/api/v1/contacts/{ada.contact_id}", json={"status": "ACTIVE"})
    await database.pool.execute("DELETE FROM suppressions")
    counted = await ada.marketer.post(
        "/api/v1/audiences/count", json={"lists": [str(list_id) for list_id in ada.lists.values()]}
    )
    assert counted.json()["recipients"] == 0


async def test_what_no_list_has_brought_is_left_with_everything(ada: Mailed, database: Database) -> None:
    await database.pool.execute("UPDATE subscribers SET tags = '{vip}'")
    condition = {"condition": {"type": "tags", "values": ["vip"]}}
    segment = await ada.marketer.post("/api/v1/segments", json={"name": "VIP", "definition": condition})
    path = await ada.link(segments=[UUID(segment.json()["segment_id"])])
    assert "No more mail at all" not in (await ada.api.anonymous.get(path)).text
    await ada.api.anonymous.post(path, data={"List-Unsubscribe": "One-Click"})
    assert (await ada.standing())[0] == "UNSUBSCRIBED"


async def test_a_mail_to_a_contact_that_is_deleted_is_left_by_its_address(ada: Mailed, database: Database) -> None:
    path = await ada.link(lists=[ada.lists["News"]])
    await ada.marketer.delete(f"/api/v1/contacts/{ada.contact_id}")
    assert (await ada.api.anonymous.post(path)).status_code == 200
    assert await ada.suppressions() == {(EMAIL, ada.lists["News"])}
    back = await add_contact(database, EMAIL)
    await subscribe(database, ada.lists["News"], back)
    counted = await ada.marketer.post("/api/v1/audiences/count", json={"lists": [str(ada.lists["News"])]})
    assert counted.json()["recipients"] == 0


@pytest.mark.parametrize(
    ("withdrawn", "channel", "address"),
    [({"list_id": True}, "email", EMAIL), ({}, "email", EMAIL), ({"channel": "sms"}, "sms", "+491711234567")],
)
async def test_what_is_taken_back_is_suppressed_where_it_is_sent(
    ada: Mailed, database: Database, withdrawn: dict[str, Any], channel: str, address: str
) -> None:
    await database.pool.execute("UPDATE subscribers SET phone = '+491711234567'")
    list_id = str(ada.lists["News"]) if withdrawn.pop("list_id", False) else None
    body = {"action": "withdrawn", "list_id": list_id, "source": "phone"} | withdrawn
    assert (await ada.marketer.post(f"/api/v1/contacts/{ada.contact_id}/consents", json=body)).status_code == 201
    row = await database.pool.fetchrow("SELECT * FROM suppressions")
    assert row is not None
    found = (row["channel"], row["address"], row["list_id"], row["source"])
    assert found == (channel, address, UUID(list_id) if list_id else None, "phone")
