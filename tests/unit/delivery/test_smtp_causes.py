"""Why SMTP servers refuse: greylisting is about one message, a throttle about all of a domain."""

import pytest

from taskflow.delivery.outcome import Cause, Outcome, OutcomeKind
from taskflow.delivery.router.breaker import Verdict, may_fail_over, slowed, verdict
from taskflow.delivery.smtp.causes import with_cause
from taskflow.delivery.smtp.reply import Reply

DEFERRED, FAULT, REJECTED = OutcomeKind.DEFERRED, OutcomeKind.PROVIDER_FAULT, OutcomeKind.REJECTED


def refused(verb: str, text: str) -> Outcome:
    """Return what a server's refusal is."""
    code, words = text[:3], text[4:]
    kind = FAULT if verb == "AUTH" else DEFERRED if code.startswith("4") else REJECTED
    return with_cause(Outcome(kind, verb, Reply(int(code), (words.encode(),))))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("450 4.2.0 <a@b.example>: Recipient rejected: Greylisted, see http://postgrey.schweikert.ch/help/b.html", 300),
        ("450 4.2.0 <a@b.example>: Recipient address rejected: Greylisted for 60 seconds", 60),
        ("451 4.7.1 Greylisting in action, please come back in 00:05:00", 300),
        ("451 4.7.1 Greylisting in action, please come back in 01:30:00", 3600),
        ("450 4.7.1 Recipient address rejected: Policy Rejection- greylisted, try again in 7 minutes", 420),
        ("450 4.7.1 Greylisting in effect, please come back later", 300),
        ("451 4.7.1 <a@b.example>... Grey-listed: retry", 300),
        ("451 Graylisted, please try again in 180 seconds", 180),
        ("451 4.7.1 Try again later", 300),
        ("451 4.7.1 Please try again later", 300),
        ("451 Temporary failure, please try again later.", 300),
        ("450 Please come back in 10 minutes", 600),
        ("421 4.7.1 Greylisted, closing", 300),
    ],
)
@pytest.mark.parametrize("verb", ["RCPT", "DATA", "DOT"])
def test_greylisting_puts_one_message_off_and_slows_nobody(verb: str, text: str, seconds: float) -> None:
    outcome = refused(verb, text)
    assert (outcome.kind, outcome.cause, outcome.retry_after) == (DEFERRED, Cause.GREYLISTED, seconds)
    assert slowed(outcome, "relay", "b.example") is None
    assert verdict(outcome) is Verdict.NOTHING
    assert not may_fail_over(outcome), "another address of ours would only begin anew"


@pytest.mark.parametrize(
    ("verb", "text", "kind", "cause", "subject"),
    [
        ("RCPT", "450 4.7.1 Too many messages from your address", DEFERRED, Cause.THROTTLED, "relay/b.example"),
        ("RCPT", "450 mailbox busy", DEFERRED, Cause.THROTTLED, "relay/b.example"),
        ("RCPT", "451 4.7.650 The mail server has been temporarily rate limited", DEFERRED, Cause.THROTTLED,
         "relay/b.example"),
        ("DOT", "421 4.7.28 Gmail has detected an unusual rate of unsolicited mail", DEFERRED, Cause.THROTTLED,
         "relay/b.example"),
        ("RCPT", "421 4.7.0 [TSS04] Messages temporarily deferred; try again later", DEFERRED, Cause.THROTTLED,
         "relay/b.example"),
        ("RCPT", "421 too many connections", DEFERRED, Cause.THROTTLED, "relay/b.example"),
        ("MAIL", "421 4.3.2 Please try again later", DEFERRED, Cause.THROTTLED, "relay"),
        ("MAIL", "451 4.7.1 Try again later", DEFERRED, Cause.THROTTLED, "relay"),
        ("RCPT", "452 4.5.3 Too many recipients", DEFERRED, Cause.THROTTLED, "relay/b.example"),
        ("DATA", "454 Throttling failure: Maximum sending rate exceeded", FAULT, Cause.THROTTLED, "relay"),
        ("RCPT", "450-4.2.1 The user you are trying to contact is receiving mail too quickly.", DEFERRED,
         Cause.BUSY, None),
        ("DOT", "450 4.2.1 The user is receiving mail at a rate that prevents more", DEFERRED, Cause.BUSY, None),
        ("RCPT", "550 5.2.1 The user is receiving mail at a rate that prevents more", REJECTED, Cause.BUSY, None),
        ("DOT", "550 5.2.122 The recipient has exceeded their limit for this hour", REJECTED, Cause.BUSY, None),
        ("RCPT", "452 4.2.2 Mailbox full", DEFERRED, Cause.MAILBOX_FULL, None),
        ("RCPT", "452 4.3.1 Insufficient system storage", DEFERRED, Cause.OUTAGE, None),
        ("DOT", "451 4.4.2 Timeout", DEFERRED, Cause.OUTAGE, None),
        ("DOT", "451 4.6.0 Cannot convert", DEFERRED, Cause.CONTENT, None),
        ("RCPT", "550 5.7.1 Greylisting failed: you are blocked", REJECTED, Cause.REPUTATION, None),
        ("RCPT", "550 5.1.1 User unknown", REJECTED, Cause.ADDRESS, None),
        ("RCPT", "550 5.2.1 Disabled", REJECTED, Cause.ADDRESS, None),
        ("DOT", "552 5.3.4 Too big", REJECTED, Cause.SIZE, None),
        # Gmail
        ("MAIL", "550 5.4.5 Daily user sending limit exceeded", FAULT, Cause.QUOTA, "relay"),
        ("AUTH", "534 5.7.9 Application-specific password required", FAULT, Cause.CREDENTIALS, None),
        ("AUTH", "454 4.7.0 Too many login attempts, please try again later", FAULT, Cause.OUTAGE, None),
        ("DOT", "550 5.7.26 This mail is unauthenticated", REJECTED, Cause.REPUTATION, None),
        ("RCPT", "452 4.2.2 The recipient's inbox is out of storage space", DEFERRED, Cause.MAILBOX_FULL, None),
        # Microsoft
        ("RCPT", "550 5.4.1 Recipient address rejected: Access denied.", REJECTED, Cause.UNKNOWN, None),
        ("RCPT", "550 5.5.0 Requested action not taken: mailbox unavailable", REJECTED, Cause.UNKNOWN, None),
        ("RCPT", "550 5.1.10 RESOLVER.ADR.RecipientNotFound", REJECTED, Cause.ADDRESS, None),
        ("DOT", "550 5.7.515 Access denied, sending domain does not meet the level", REJECTED, Cause.REPUTATION, None),
        # Yahoo
        ("DOT", "554 delivery error: dd This user doesn't have a yahoo.com account (a@yahoo.com) [-9]", REJECTED,
         Cause.ADDRESS, None),
        ("DOT", "552 1 Requested mail action aborted, mailbox not found", REJECTED, Cause.ADDRESS, None),
        ("DOT", "554 5.7.9 Message not accepted for policy reasons", REJECTED, Cause.REPUTATION, None),
        ("MAIL", "421 4.7.1 [TS03] All messages from 192.0.2.1 will be permanently deferred", DEFERRED,
         Cause.REPUTATION, None),
    ],
)  # fmt: skip
def test_other_refusals_keep_their_causes_and_what_goes_slower(
    verb: str, text: str, kind: OutcomeKind, cause: Cause, subject: str | None
) -> None:
    outcome = refused(verb, text)
    assert (outcome.kind, outcome.cause) == (kind, cause)
    slower = slowed(outcome, "relay", "b.example")
    assert (slower[0] if slower is not None else None) == subject
