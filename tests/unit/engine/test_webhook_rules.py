"""Webhooks: signatures as the standard has them, and what answers mean."""

import base64
import json
from datetime import UTC, datetime
from uuid import UUID

from taskflow.base.ids import uuid7
from taskflow.engine.webhooks.sender import judge
from taskflow.engine.webhooks.signatures import headers, secret_of, written
from taskflow.engine.webhooks.tasks import body_of

SECRET_KEY = "a-secret-key-of-thirty-two-characters"
REFERENCE = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")


def test_the_signature_is_that_of_the_standards_reference_vector() -> None:
    signed = headers("msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}', [REFERENCE])
    assert signed == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_two_secrets_make_two_signatures() -> None:
    first, second = headers("msg_1", 1, b"{}", [REFERENCE, b"x" * 32])["webhook-signature"].split(" ")
    assert first == headers("msg_1", 1, b"{}", [REFERENCE])["webhook-signature"]
    assert second.startswith("v1,")
    assert first != second


def test_a_secret_is_another_for_another_webhook_version_or_key() -> None:
    one = uuid7()
    secrets = {
        secret_of(SECRET_KEY, one, 1),
        secret_of(SECRET_KEY, one, 2),
        secret_of(SECRET_KEY, UUID(int=one.int + 1), 1),
        secret_of(SECRET_KEY + "x", one, 1),
    }
    assert len(secrets) == 4
    assert secret_of(SECRET_KEY, one, 1) in secrets
    text = written(secret_of(SECRET_KEY, one, 1))
    assert base64.b64decode(text.removeprefix("whsec_")) == secret_of(SECRET_KEY, one, 1)


def test_statuses_say_whether_and_when_to_try_again() -> None:
    assert judge(204).error is None
    assert "redirects are not followed" in str(judge(302).error)
    assert judge(503, b"120").after == 120.0
    assert judge(503, b"99999999").after == 86_400.0
    assert judge(503, b"Wed, 21 Oct 2026 07:28:00 GMT").after is None
    assert (judge(410).is_gone, judge(404).is_gone) == (True, False)


def test_a_message_says_of_an_encrypted_error_only_that_it_is() -> None:
    message = {
        "event": "task.failed",
        "data": {"task_name": "charge"},
        "occurred_at": datetime(2026, 11, 22, tzinfo=UTC),
        "error_message": "$encrypted:2026-11:" + "A" * 481,  # as the statement cuts it
    }
    assert json.loads(body_of(message))["data"]["error"] == "(encrypted with the key 2026-11)"  # type: ignore[arg-type]
