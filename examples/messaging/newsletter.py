"""A plain script: people out of a file, a segment of them, a mail to it; then one of them is forgotten.

To run it, in this folder:

    taskflow up                           # in one terminal
    python newsletter.py people.csv       # in another

`Messaging` is the same for code with an event loop: `async with`, `await` and `async for`.
"""

import sys
from pathlib import Path

from taskflow.base.errors import ConflictError
from taskflow.client import SyncMessaging

GERMAN_SPEAKING = {"type": "attribute", "name": "country", "operator": "in", "value": ["Germany", "Austria"]}
COLUMNS = {"Vorname": "first_name", "Land": "country"}
BODY = '<p>Dear {{ first_name }},</p><p><a href="{{ unsubscribe_url }}">No more of this</a></p>'


def main(file: Path) -> None:
    """Write to the people of a file who live in Germany or Austria."""
    with SyncMessaging() as messaging:
        job = messaging.imports.start(file, mapping=COLUMNS, default_region="DE", tags=["newsletter"])
        report = messaging.imports.wait(
            job.import_id,
            timeout=60,
            on_progress=lambda now: print(f"{now.percent:.0f} % {now.phase}", file=sys.stderr),
        )
        print(report.summary)

        segment = messaging.segments.save("German speaking", GERMAN_SPEAKING)
        print(messaging.segments.count(segment.segment_id).reachable, "in the segment")

        template = messaging.templates.add(name="Hello", variants=[{"subject": "Hello {{ first_nmae }}", "body": BODY}])
        for finding in messaging.templates.lint(template.template_id).findings:
            if finding.severity == "error":
                print("lint:", finding.message)
        template = messaging.templates.save(
            template.template_id,
            variants=[{"subject": "Hello {{ first_name }}", "body": BODY}],
            base_version=template.version,
        )

        campaign = messaging.campaigns.create(
            name="May letter",
            from_email="news@example.com",
            template_id=template.template_id,
            audience={"segments": [segment.segment_id]},
        )
        messaging.campaigns.start(campaign.campaign_id)
        print(messaging.campaigns.wait(campaign.campaign_id, timeout=60).summary)
        try:
            messaging.campaigns.start(campaign.campaign_id)
        except ConflictError as error:
            print(f"{error.context['code']}: {error}")

        erasure = messaging.privacy.erase(email="anna@example.com", reason="asked by phone")
        erasure = messaging.privacy.wait(erasure.erasure_id, timeout=60)
        print(
            f"erased from {len(erasure.erased)} places; left:", list(messaging.contacts.find(email="anna@example.com"))
        )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
