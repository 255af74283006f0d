"""Twilio's signature is Twilio's, and what providers post is read without believing its form."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from taskflow.base.ids import uuid7
from taskflow.delivery.outcome import Cause
from taskflow.delivery.providers.sms.bulksms import hooks as bulksms
from taskflow.delivery.providers.sms.bulksms.provider import message_id_of, supplied_id
from taskflow.delivery.providers.sms.fast2sms import hooks as fast2sms
from taskflow.delivery.providers.sms.hooks import Reply, Report, ReportStatus
from taskflow.delivery.providers.sms.reading import Form, form_of
from taskflow.delivery.providers.sms.twilio import hooks as twilio

# The example of Twilio's own page on security of webhooks.
URL = "https://mycompany.com/myapp.php?foo=1&bar=2"
FORM = [
    ("CallSid", "CA1234567890ABCDE"),
    ("Caller", "+14158675309"),
    ("Digits", "1234"),
    ("From", "+14158675309"),
    ("To", "+18005551212"),
]
TOKEN, SIGNATURE = "12345", "RSOYDt4T1cUTdK1PDd93/VVr8B8="
TOKENS = [SecretStr(TOKEN)]


def test_the_signature_of_twilios_own_example_is_right() -> None:
    assert twilio.signature_of(TOKEN, URL, FORM) == SIGNATURE
    assert twilio.is_signed(TOKENS, URL, FORM, SIGNATURE)
    assert twilio.is_signed([SecretStr("older"), *TOKENS], URL, FORM, SIGNATURE)


@pytest.mark.parametrize(
    "signature",
    [
        "", " ", SIGNATURE[:-1], SIGNATURE + "=", SIGNATURE.lower(), SIGNATURE + "\n", "RSOYDt4T1cUTdK1PDd93/VVr8B9=",
        "0", "é", "\ud800".encode("utf-8", "replace").decode(), "A" * 10_000, "RSOYDt4T1cUTdK1PDd93_VVr8B8=",
    ],
)  # fmt: skip
def test_no_other_signature_is(signature: str) -> None:
    assert not twilio.is_signed(TOKENS, URL, FORM, signature)


@pytest.mark.parametrize(
    ("url", "form"),
    [
        (URL + "3", FORM),
        (URL.replace("https", "http"), FORM),
        (URL, FORM[:-1]),
        (URL, [*FORM, ("x", "")]),
        (URL, [*FORM[:-1], ("To", "+18005551213")]),
        (URL, []),
    ],
)
def test_a_signature_is_of_one_address_and_one_form(url: str, form: Form) -> None:
    assert not twilio.is_signed(TOKENS, url, form, SIGNATURE)


def test_without_a_token_nobody_is_believed() -> None:
    assert not twilio.is_signed([], URL, FORM, twilio.signature_of("", URL, FORM))


@pytest.mark.parametrize("body", [b"\xff\xfe", b"{}", b"a", b"&", b"=&" * 500, b"a=%ff"])
def test_what_is_no_form_is_refused(body: bytes) -> None:
    assert form_of(body) is None


def test_twilio_tells_replies_and_reports() -> None:
    form = form_of(b"MessageSid=SM1&From=%2B491711234567&To=%2B4930123456&Body=Stop%21+%F0%9F%9B%91&SmsStatus=received")
    assert form is not None
    assert twilio.read(form) == [Reply("SM1", "+491711234567", "+4930123456", "Stop! 🛑")]
    report = [("MessageSid", "SM2"), ("MessageStatus", "undelivered"), ("ErrorCode", "30005"), ("To", "+491711234567")]
    assert twilio.read(report) == [
        Report("SM2", ReportStatus.FAILED, Cause.ADDRESS, "30005", "", "+491711234567")
    ]  # fmt: skip
    assert twilio.read([("MessageSid", "SM2"), ("MessageStatus", "delivered")])[0] == Report(
        "SM2", ReportStatus.DELIVERED, None, "delivered"
    )
    assert twilio.read([("MessageSid", "SM2"), ("MessageStatus", "queued")]) == []
    assert twilio.read([("Body", "no id")]) == []


@pytest.mark.parametrize(
    ("code", "cause"),
    [
        ("21610", Cause.OPTED_OUT), ("30001", Cause.THROTTLED), ("30002", Cause.SUSPENDED), ("30003", Cause.UNKNOWN),
        ("30004", Cause.REPUTATION), ("30006", Cause.ADDRESS), ("30007", Cause.CONTENT), ("30008", Cause.UNKNOWN),
        ("30010", Cause.QUOTA), ("30034", Cause.INVALID), ("30500", Cause.OUTAGE), ("99999", Cause.UNKNOWN),
        ("", Cause.UNKNOWN), ("9" * 40, Cause.UNKNOWN), ("٣٠٠٠٥", Cause.UNKNOWN),
    ],
)  # fmt: skip
def test_twilios_delivery_codes_have_causes(code: str, cause: Cause) -> None:
    [told] = twilio.read([("MessageSid", "SM"), ("MessageStatus", "failed"), ("ErrorCode", code)])
    assert isinstance(told, Report)
    assert told.cause is cause


def test_bulksms_begins_with_an_empty_array_and_tells_many_things_at_once() -> None:
    assert bulksms.read(b"[]") == []
    message_id = uuid7()
    sent = {
        "id": "7", "type": "SENT", "to": "491711234567", "userSuppliedId": supplied_id(message_id),
        "status": {"id": "FAILED.BLOCKED", "type": "FAILED", "subtype": "BLOCKED"},
    }  # fmt: skip
    received = {
        "id": "8", "type": "RECEIVED", "from": "491711234567", "to": "4930", "body": "stop",
        "submission": {"id": "1", "date": "2026-01-31T10:00:00+01:00"},
    }  # fmt: skip
    report, reply = bulksms.read(json.dumps([sent, received]).encode())
    assert report == Report(
        "7", ReportStatus.FAILED, Cause.OPTED_OUT, "FAILED.BLOCKED", "", "491711234567", message_id
    )  # fmt: skip
    assert isinstance(reply, Reply)
    assert (reply.reference, reply.sender, reply.text) == ("8", "491711234567", "stop")
    assert reply.occurred_at is not None
    assert reply.occurred_at.isoformat() == "2026-01-31T09:00:00+00:00"


@pytest.mark.parametrize(
    ("subtype", "cause"),
    [
        ("EXPIRED", Cause.UNKNOWN), ("HANDSET_ERROR", Cause.MAILBOX_FULL), ("BLOCKED", Cause.OPTED_OUT),
        ("NOT_SENT", Cause.INVALID), ("NEW", Cause.UNKNOWN), (None, Cause.UNKNOWN),
    ],
)  # fmt: skip
def test_bulksms_failures_have_causes(subtype: str | None, cause: Cause) -> None:
    item = {"id": "7", "type": "SENT", "status": {"type": "FAILED", "subtype": subtype}}
    [told] = bulksms.read(json.dumps(item).encode())
    assert isinstance(told, Report)
    assert told.cause is cause


def test_our_id_comes_back_from_the_twenty_characters_that_bulksms_keeps() -> None:
    message_id = uuid7()
    assert len(supplied_id(message_id)) == 20
    assert message_id_of(supplied_id(message_id)) == message_id
    assert message_id_of("submission-12765") is None
    assert message_id_of("") is None


@pytest.mark.parametrize(
    ("reason", "cause"),
    [
        ("Invalid Number", Cause.ADDRESS),
        ("invalid mobile number", Cause.ADDRESS),
        ("Invalid Template ID", Cause.CONTENT),
        ("Invalid Header", Cause.INVALID),
        ("Invalid Sender ID", Cause.INVALID),
        ("Invalid Entity ID", Cause.INVALID),
        ("Invalid DLT template for DND number", Cause.CONTENT),
        ("Invalid request", Cause.UNKNOWN),
        ("DND", Cause.OPTED_OUT),
        ("Absent Subscriber", Cause.UNKNOWN),
    ],
)
def test_a_reason_of_a_dlt_operator_is_the_persons_only_where_it_says_so(reason: str, cause: Cause) -> None:
    report = {"request_id": "a", "number": "9876543210", "status": "Failed", "reason": reason}
    [told] = fast2sms.read(json.dumps(report).encode())
    assert isinstance(told, Report)
    assert told.cause is cause


def test_fast2sms_tells_what_we_ask_it_to() -> None:
    message_id = uuid7()
    told = fast2sms.read(
        json.dumps(
            {"request_id": "abc", "number": "9876543210", "status": "Failed", "reason": "DND", "udf1": str(message_id)}
        ).encode()
    )
    assert told == [
        Report("abc", ReportStatus.FAILED, Cause.OPTED_OUT, "Failed", "DND", "+919876543210", message_id)
    ]  # fmt: skip
    reply = {"id": "5", "from": "+919876543210", "to": "56161", "message": "STOP"}
    assert fast2sms.read(json.dumps(reply).encode()) == [Reply("5", "+919876543210", "56161", "STOP")]
    assert fast2sms.read(b'{"request_id": "abc", "status": "Pending"}') == []


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(
        st.sampled_from(["id", "type", "status", "from", "to", "body", "message", "submission", "date", "request_id"])
        | st.text(), inner,
    ),
    max_leaves=20,
)  # fmt: skip


@given(JSON)
def test_no_json_is_too_strange_to_be_read(found: Any) -> None:
    body = json.dumps(found, ensure_ascii=False).encode("utf-8", "surrogatepass")
    for told in (*bulksms.read(body), *fast2sms.read(body)):
        for name in type(told).__slots__:
            assert "\x00" not in str(getattr(told, name))


@given(st.binary(max_size=300))
def test_no_bytes_are_either(body: bytes) -> None:
    bulksms.read(body)
    fast2sms.read(body)
    twilio.read(form_of(body) or [])
