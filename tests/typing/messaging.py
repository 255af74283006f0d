"""What an editor says about the Python client. A line that must not type-check ends with the code of its error."""

from pathlib import Path
from typing import assert_type
from uuid import UUID

from taskflow.audience.contacts.schemas import ContactOut
from taskflow.audience.imports.jobs.schemas import ImportReportOut
from taskflow.campaigns.proofs.schemas import SentOut
from taskflow.campaigns.schemas import CampaignOut
from taskflow.client import Messaging, SyncMessaging


async def async_program(messaging: Messaging, contact_id: UUID) -> None:
    assert_type(await messaging.contacts.add(email="ada@example.com", attributes={"orders": 3}), ContactOut)
    async for contact in messaging.contacts.find(status="ACTIVE"):
        assert_type(contact.email, str | None)
        await messaging.contacts.update(contact.contact_id, status=contact.status, phone=None)
    await messaging.contacts.add(emial="ada@example.com")  # error: [call-arg]
    await messaging.contacts.update(contact_id, status="ASLEEP")  # error: [arg-type]
    await messaging.templates.add(variants=[{"body": "Hello"}])  # error: [call-arg]
    await messaging.templates.add(name="Hello", variants=[{"subject": "no body"}])  # error: [typeddict-item]
    sent = await messaging.templates.test(contact_id, ["me@example.com"], from_email="news@example.com")
    assert_type(sent, list[SentOut])
    campaign = await messaging.campaigns.create(
        name="May", from_email="news@example.com", template_id=contact_id, audience={"segments": [contact_id]}
    )
    assert_type(campaign, CampaignOut)


def blocking_program(messaging: SyncMessaging) -> None:
    job = messaging.imports.start(Path("people.csv"), mode="upsert", mapping={"Vorname": "first_name"})
    assert_type(messaging.imports.wait(job.import_id, on_progress=lambda now: now.percent), ImportReportOut)
    messaging.imports.start(Path("people.csv"), mode="replace")  # error: [arg-type]
    for chunk in messaging.contacts.export(tags=["vip"]):
        assert_type(chunk, bytes)
    messaging.segments.count(3)  # error: [arg-type]
