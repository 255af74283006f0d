"""Each provider's own words: what it is told of a mail, and what its documented errors mean."""

import base64
import json
from email import message_from_bytes
from email.policy import SMTP
from typing import Any

import pytest

from support import mail_apis as apis
from support.mail_apis import KEY, answer, letter, postmark_error, sendgrid_error, ses_error
from support.mail_providers import Providers, mail, send_one
from support.receiver import Reply, plain, receiving
from taskflow.delivery.addresses import NULL_PATH
from taskflow.delivery.outcome import Cause, OutcomeKind
from taskflow.delivery.providers.contract import Metered, ProviderUnusableError

ACCEPTED, REJECTED = OutcomeKind.ACCEPTED, OutcomeKind.REJECTED
FAULT, UNCERTAIN = OutcomeKind.PROVIDER_FAULT, OutcomeKind.UNCERTAIN
HEADERS = {"Message-ID", "List-Unsubscribe", "List-Unsubscribe-Post", "Feedback-ID"}
LINK = "<https://example.org/unsubscribe/" + "t" * 90 + ">"


def ses(providers: Providers, url: str, **changes: Any) -> Any:
    settings = {"region": "eu-west-1", "access_key_id": "AKIACANARY", "endpoint": url} | changes
    return providers.open("ses", settings, {"secret_access_key": KEY})


def sendgrid(providers: Providers, url: str) -> Any:
    return providers.open("sendgrid", {"endpoint": url}, {"api_key": KEY})


def mailgun(providers: Providers, url: str) -> Any:
    return providers.open("mailgun", {"domain": "mg.example.org", "endpoint": url}, {"api_key": KEY})


def postmark(providers: Providers, url: str, **changes: Any) -> Any:
    return providers.open("postmark", {"endpoint": url} | changes, {"server_token": KEY})


# -- what they are told


async def test_ses_gets_the_mail_byte_for_byte_signed_and_tagged(providers: Providers) -> None:
    async with receiving() as server:
        server.answer = api = apis.Ses()
        one = mail()
        outcome = (await ses(providers, server.url, configuration_set="events").send([one], float("inf")))[0]
        assert (outcome.kind, outcome.provider_id) == (ACCEPTED, "010f-1-000000")
        [told] = api.taken
        assert told["raw"] == letter_of(one)
        assert told["Destination"] == {"ToAddresses": ["anna@example.com"]}
        assert told["EmailTags"] == [{"Name": "taskflow-message-id", "Value": str(one.message_id)}]
        assert told["ConfigurationSetName"] == "events"
        assert "FeedbackForwardingEmailAddress" not in told


async def test_ses_forwards_bounces_to_the_return_path_where_it_is_told_to(providers: Providers) -> None:
    async with receiving() as server:
        server.answer = api = apis.Ses()
        provider = ses(providers, server.url, forward_feedback=True)
        await provider.send([mail(), mail(mail_from=NULL_PATH)], float("inf"))
        assert [told.get("FeedbackForwardingEmailAddress") for told in api.taken] == ["bounce@example.org", None]


async def test_mailgun_gets_the_mail_byte_for_byte_as_a_file(providers: Providers) -> None:
    async with receiving() as server:
        server.answer = api = apis.Mailgun()
        one = mail()
        [outcome] = await mailgun(providers, server.url).send([one], float("inf"))
        assert (outcome.kind, outcome.provider_id) == (ACCEPTED, "mg-1@mg.example.org")
        [told] = api.taken
        assert told["message"] == letter_of(one)
        assert told["to"] == b"anna@example.com"
        assert told["v:taskflow_message_id"] == str(one.message_id).encode()


async def test_sendgrid_gets_every_part_of_the_mail(providers: Providers) -> None:
    async with receiving() as server:
        server.answer = api = apis.SendGrid()
        outcome = await send_one(sendgrid(providers, server.url))
        assert (outcome.kind, outcome.provider_id) == (ACCEPTED, "sg-1")
        [told] = api.taken
        assert told["from"] == {"email": "news@example.org", "name": "Grüße"}
        assert told["reply_to_list"] == [{"email": "help@example.org"}]
        assert told["subject"] == "Schöne Grüße aus München"
        assert [part["type"] for part in told["content"]] == ["text/plain", "text/html"]
        assert told["content"][0]["value"] == "Hallo Anna,\nschöne Grüße.\n"
        assert told["headers"].keys() == HEADERS
        assert told["headers"]["List-Unsubscribe"] == LINK
        assert told["tracking_settings"]["click_tracking"]["enable"] is False
        image, file = told["attachments"]
        assert base64.b64decode(image["content"]) == apis.IMAGE
        assert (image["disposition"], image["content_id"], image["type"]) == ("inline", "logo@example.org", "image/png")
        assert base64.b64decode(file["content"]) == apis.FILE
        assert (file["disposition"], file["filename"]) == ("attachment", "Rechnung März.pdf")


async def test_postmark_gets_every_part_of_the_mail(providers: Providers) -> None:
    async with receiving() as server:
        server.answer = api = apis.Postmark()
        outcome = await send_one(postmark(providers, server.url, message_stream="broadcast"))
        assert (outcome.kind, outcome.provider_id) == (ACCEPTED, "pm-1")
        [told] = api.taken
        assert told["From"] == "Grüße <news@example.org>"
        assert (told["To"], told["ReplyTo"]) == ("anna@example.com", "help@example.org")
        assert told["Subject"] == "Schöne Grüße aus München"
        assert told["TextBody"] == "Hallo Anna,\nschöne Grüße.\n"
        assert '<img src="cid:logo@example.org">' in told["HtmlBody"]
        assert {header["Name"] for header in told["Headers"]} == HEADERS
        assert (told["MessageStream"], told["TrackOpens"], told["TrackLinks"]) == ("broadcast", False, "None")
        image, file = told["Attachments"]
        assert (image["ContentID"], base64.b64decode(image["Content"])) == ("cid:logo@example.org", apis.IMAGE)
        assert (file["Name"], base64.b64decode(file["Content"])) == ("Rechnung März.pdf", apis.FILE)


UTF8 = (
    "From: Grüße <news@example.org>\r\nTo: anna@example.com\r\nReply-To: Jörg <help@example.org>\r\n"
    "Subject: Schöne Grüße\r\nX-Note: süß\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
    "--b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nHallo\r\n"
    '--b\r\nContent-Type: application/pdf; name="März.pdf"\r\n\r\nPDF\r\n--b--\r\n'
).encode()


@pytest.mark.parametrize(("build", "api"), [(sendgrid, apis.SendGrid), (postmark, apis.Postmark)])
async def test_a_mail_with_utf8_in_its_headers_is_told_as_it_reads(providers: Providers, build: Any, api: Any) -> None:
    async with receiving() as server:
        server.answer = taking = api()
        assert (await send_one(build(providers, server.url), body=UTF8)).kind is ACCEPTED
        told = json.dumps(taking.taken, ensure_ascii=False)
        assert [words for words in ("Grüße", "Jörg", "Schöne Grüße", "süß", "März.pdf") if words not in told] == []


def letter_of(one: Any) -> bytes:
    assert message_from_bytes(one.body, policy=SMTP)["Subject"] == message_from_bytes(letter(), policy=SMTP)["Subject"]
    return bytes(one.body)


@pytest.mark.parametrize("build", [sendgrid, postmark], ids=["sendgrid", "postmark"])
@pytest.mark.parametrize(
    "body",
    [b"", b"Subject: x\r\n\r\nno sender\r\n", b"From: a@x.example, b@x.example\r\n\r\ntwo\r\n",
     b"From: a@x.example\r\nContent-Type: image/png\r\n\r\nno text\r\n",
     b"From: a@x.example\r\nContent-Type: text/plain; charset=klingon\r\n\r\nx\r\n"],
    ids=["empty", "no sender", "two senders", "only an image", "unknown charset"],
)  # fmt: skip
async def test_a_mail_that_cannot_be_taken_apart_is_refused_before_it_is_sent(
    providers: Providers, build: Any, body: bytes
) -> None:
    async with receiving() as server:
        outcome = await send_one(build(providers, server.url), body=body)
        assert (outcome.kind, outcome.verb) == (REJECTED, "CHECK")
        assert server.connections == 0


# -- what their errors mean

SES_ERRORS: list[tuple[Reply, OutcomeKind, Cause]] = [
    (ses_error(429, "TooManyRequestsException", "Too many requests"), FAULT, Cause.THROTTLED),
    (ses_error(400, "ThrottlingException", "Maximum sending rate exceeded."), FAULT, Cause.THROTTLED),
    (ses_error(400, "ThrottlingException", "Daily message quota exceeded."), FAULT, Cause.QUOTA),
    (ses_error(429, "TooManyRequestsException", "Daily message quota exceeded"), FAULT, Cause.QUOTA),
    (ses_error(400, "LimitExceededException"), FAULT, Cause.QUOTA),
    (ses_error(400, "AccountSuspendedException"), FAULT, Cause.SUSPENDED),
    (ses_error(400, "SendingPausedException"), FAULT, Cause.SUSPENDED),
    (ses_error(400, "MailFromDomainNotVerifiedException"), FAULT, Cause.SENDER),
    (ses_error(404, "NotFoundException", "no such configuration set"), FAULT, Cause.INVALID),
    (ses_error(403, "AccessDeniedException"), FAULT, Cause.CREDENTIALS),
    (ses_error(400, "ExpiredTokenException"), FAULT, Cause.CREDENTIALS),
    (ses_error(400, "MessageRejected", "Virus detected"), REJECTED, Cause.CONTENT),
    (ses_error(400, "MessageRejected", "Email address is not verified."), FAULT, Cause.SENDER),
    (ses_error(400, "BadRequestException", "Illegal address"), REJECTED, Cause.INVALID),
    (ses_error(400, "BadRequestException", "Message length is more than 41943040"), REJECTED, Cause.SIZE),
    (ses_error(500, "InternalFailure"), UNCERTAIN, Cause.OUTAGE),
    (answer(400, {"__type": "com.amazon#SendingPausedException", "message": "x"}), FAULT, Cause.SUSPENDED),
    (plain(200, body=b"{}"), UNCERTAIN, Cause.OUTAGE),
    (plain(200, body=b"[1, 2"), UNCERTAIN, Cause.OUTAGE),
]
SENDGRID_ERRORS: list[tuple[Reply, OutcomeKind, Cause]] = [
    (sendgrid_error(400, "Invalid recipient", "personalizations.0.to.0.email"), REJECTED, Cause.ADDRESS),
    (sendgrid_error(400, "The subject is required.", "subject"), REJECTED, Cause.INVALID),
    (sendgrid_error(401, "Maximum credits exceeded"), FAULT, Cause.QUOTA),
    (sendgrid_error(401, "Permission denied, wrong credentials"), FAULT, Cause.CREDENTIALS),
    (sendgrid_error(403, "The from address does not match a verified Sender Identity.", "from"), FAULT, Cause.SENDER),
    (sendgrid_error(403, "access forbidden"), FAULT, Cause.CREDENTIALS),
    (sendgrid_error(405, "method not allowed"), FAULT, Cause.INVALID),
    (sendgrid_error(413, "payload too large"), REJECTED, Cause.SIZE),
    (sendgrid_error(429, "too many requests"), FAULT, Cause.THROTTLED),
    (sendgrid_error(500, "internal server error"), UNCERTAIN, Cause.OUTAGE),
    (plain(400, body=b'{"errors": [1, {"field": 2}]}'), REJECTED, Cause.INVALID),
]
MAILGUN_ERRORS: list[tuple[Reply, OutcomeKind, Cause]] = [
    (answer(400, {"message": "'to' parameter is not a valid address."}), REJECTED, Cause.ADDRESS),
    (answer(400, {"message": "from parameter is missing"}), REJECTED, Cause.INVALID),
    (answer(402, {"message": "Request failed"}), FAULT, Cause.QUOTA),
    (answer(403, {"message": "mg.example.org is not allowed to send: disabled"}), FAULT, Cause.SUSPENDED),
    (answer(403, {"message": "Sandbox subdomains are for test purposes only."}), FAULT, Cause.CREDENTIALS),
    (answer(400, {"message": "Your sending limit has been reached"}), FAULT, Cause.QUOTA),
    (plain(401, body=b"Forbidden"), FAULT, Cause.CREDENTIALS),
    (answer(404, {"message": "Domain not found: mg.example.org"}), FAULT, Cause.INVALID),
    (answer(413, {"message": "too large"}), REJECTED, Cause.SIZE),
    (answer(200, {"message": "Queued. Thank you."}), UNCERTAIN, Cause.OUTAGE),
]  # fmt: skip
POSTMARK_ERRORS: list[tuple[Reply, OutcomeKind, Cause]] = [
    (postmark_error(401, 10), FAULT, Cause.CREDENTIALS),
    (postmark_error(422, 100, "Maintenance"), FAULT, Cause.OUTAGE),
    (postmark_error(422, 300, "Invalid 'To' address"), REJECTED, Cause.INVALID),
    (postmark_error(422, 400, "Sender signature not found"), FAULT, Cause.SENDER),
    (postmark_error(422, 401, "Sender signature not confirmed"), FAULT, Cause.SENDER),
    (postmark_error(422, 402, "Invalid JSON"), REJECTED, Cause.INVALID),
    (postmark_error(422, 405, "Not allowed to send"), FAULT, Cause.QUOTA),
    (postmark_error(422, 406, "Inactive recipient"), REJECTED, Cause.OPTED_OUT),
    (postmark_error(200, 406, "Inactive recipient"), REJECTED, Cause.OPTED_OUT),
    (postmark_error(422, 411, "Forbidden attachment type"), REJECTED, Cause.CONTENT),
    (postmark_error(422, 412, "Account is pending"), FAULT, Cause.SUSPENDED),
    (postmark_error(422, 413, "Account may not send"), FAULT, Cause.SUSPENDED),
    (postmark_error(422, 1235, "No such stream"), FAULT, Cause.INVALID),
    (postmark_error(500, 0, "Internal server error"), UNCERTAIN, Cause.OUTAGE),
    (answer(200, {"ErrorCode": 0}), UNCERTAIN, Cause.OUTAGE),
    (answer(422, {"ErrorCode": ["?"]}), REJECTED, Cause.INVALID),
]


@pytest.mark.parametrize(
    ("build", "reply", "kind", "cause"),
    [
        pytest.param(build, *one, id=f"{name}-{number}")
        for name, build, errors in (
            ("ses", ses, SES_ERRORS),
            ("sendgrid", sendgrid, SENDGRID_ERRORS),
            ("mailgun", mailgun, MAILGUN_ERRORS),
            ("postmark", postmark, POSTMARK_ERRORS),
        )
        for number, one in enumerate(errors)
    ],
)
async def test_a_documented_error_means_what_its_provider_says(
    providers: Providers, build: Any, reply: Reply, kind: OutcomeKind, cause: Cause
) -> None:
    async with receiving(reply) as server:
        outcome = await send_one(build(providers, server.url))
        assert (outcome.kind, outcome.cause) == (kind, cause)
        assert (outcome.retry_after is not None) == (kind is FAULT)


# -- what a test of the connection finds


async def test_ses_tells_of_its_quota_of_its_sandbox_and_of_a_pause(providers: Providers) -> None:
    async with receiving() as server:
        server.answer = api = apis.Ses()
        provider = ses(providers, server.url)
        assert await provider.check() == (
            "Signed in to SES in eu-west-1: 12 of 50,000 mails of the last 24 hours used, 14 a second allowed."
        )
        assert isinstance(provider, Metered)
        assert await provider.quota() == {"per_second": 14, "per_day": 50_000}
        api.account["SendQuota"] = {"Max24HourSend": -1.0}  # without a limit
        assert await provider.quota() == {}
        api.account["ProductionAccessEnabled"] = False
        assert "only write to verified addresses" in await provider.check()
        api.account["SendingEnabled"] = False
        with pytest.raises(ProviderUnusableError, match="has paused sending"):
            await provider.check()


async def test_a_key_domain_or_server_that_cannot_send_is_told(providers: Providers) -> None:
    async with receiving() as server:
        server.answer = apis.SendGrid(scopes=["stats.read"])
        with pytest.raises(ProviderUnusableError, match="lacks the permission Mail Send"):
            await sendgrid(providers, server.url).check()
        server.answer = apis.Mailgun(state="unverified")
        with pytest.raises(ProviderUnusableError, match="its state is unverified"):
            await mailgun(providers, server.url).check()
        server.answer = apis.Mailgun(domain="other.example.org")
        with pytest.raises(ProviderUnusableError, match="has no domain mg"):
            await mailgun(providers, server.url).check()
        server.answer = apis.Postmark(server={"Name": "Try", "DeliveryType": "Sandbox"})
        with pytest.raises(ProviderUnusableError, match="delivers nothing"):
            await postmark(providers, server.url).check()
