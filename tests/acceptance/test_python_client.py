"""The Python client against a running `taskflow up`: what takes time is waited for, with progress."""

import io

import pytest

from support.up import System
from taskflow.base.errors import ConflictError
from taskflow.client import Messaging
from taskflow.engine import WaitTimeoutError

BODY = '<p>Hello {{ first_name }}</p><a href="{{ unsubscribe_url }}">stop</a>'


async def test_a_file_becomes_a_campaign_with_progress_and_a_person_is_erased(system: System) -> None:
    people = "email,first_name\n" + "".join(f"client{n}@example.com,P{n}\n" for n in range(300))
    async with Messaging(system.url, (system.home / "cli-key").read_text().strip()) as messaging:
        seen: list[float] = []
        job = await messaging.imports.start(io.BytesIO(people.encode()), tags=["client"])
        report = await messaging.imports.wait(
            job.import_id, timeout=60, on_progress=lambda now: seen.append(now.percent)
        )
        assert (report.status, report.created, seen[-1]) == ("COMPLETED", 300, 100.0)
        template = await messaging.templates.add(name="Client", variants=[{"subject": "Hello", "body": BODY}])
        (sent,) = await messaging.templates.test(
            template.template_id, ["me@example.com"], from_email="news@example.com", sample={"first_name": "Me"}
        )
        assert sent.outcome == "accepted"
        segment = await messaging.segments.save("Client", {"type": "tags", "values": ["client"]})
        campaign = await messaging.campaigns.create(
            name="Client",
            from_email="news@example.com",
            template_id=template.template_id,
            audience={"segments": [segment.segment_id]},
            rate_limit_per_minute=None,
        )
        with pytest.raises(WaitTimeoutError, match="goes on"):
            await messaging.campaigns.wait(campaign.campaign_id, timeout=0.2)
        await messaging.campaigns.start(campaign.campaign_id)
        done = await messaging.campaigns.wait(campaign.campaign_id, timeout=60)
        assert (done.status, done.outcome, done.progress.sent) == ("COMPLETED", "clean", 300)
        erasure = await messaging.privacy.erase(email="client7@example.com")
        proved = await messaging.privacy.wait(erasure.erasure_id, timeout=60)
        assert proved.status == "COMPLETED"
        assert [one async for one in messaging.contacts.find(email="client7@example.com")] == []
        again = await messaging.suppressions.check("client7@example.com")
        with pytest.raises(ConflictError, match="erasure"):
            await messaging.suppressions.delete(again.suppressions[0].suppression_id)
