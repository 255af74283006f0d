"""Why an SMTP server refused, in the words that all providers share.

The enhanced status code (RFC 3463) tells, then the basic code with the verb it answers. What is about us is never
about the person: 5.7.x is reputation, whatever the text says. Greylisting (RFC 6647) has no code of its own, only
words: it is about one message, which waits as long as the server asks; a throttle is about all of a domain.

Some refusals are the provider's own: a rate or a quota of the account is over, or MAIL is refused for good, because it
does not send for this sender. They become faults of the provider: the message was not taken, and another provider may
carry it.
"""

import re
from dataclasses import replace

from taskflow.delivery.outcome import Cause, Outcome, OutcomeKind

_ENHANCED = re.compile(r"\b([245])\.(\d{1,3})\.(\d{1,3})\b")
_QUOTA = re.compile(r"daily (?:message quota|user sending limit|sending quota)|sending limit exceeded", re.IGNORECASE)
_THROTTLE = re.compile(r"throttling failure|maximum sending rate", re.IGNORECASE)  # Amazon SES
_GREY = re.compile(r"gr[ae]y[- ]?list|postgrey", re.IGNORECASE)
# Words that greylisting servers use without the word: milter-greylist, rspamd, OpenBSD's spamd.
_COME_BACK = re.compile(
    r"^45[01][ -](?:4\.7\.1 )?(?:please )?(?:try again later\b|come back\b)|please come back in \d"
    r"|^451 temporary failure, please try again later",
    re.IGNORECASE,
)
_COME_BACK_IN = re.compile(r"\b(\d{1,2}):(\d\d):(\d\d)\b|\b(\d{1,4}) (second|minute)s?\b", re.IGNORECASE)
# A refusal without an enhanced code says nothing of the mailbox by its number alone: 550 is also a blocked server, or a
# relay that does not know us. Only these words are about the person.
_NO_MAILBOX = re.compile(
    r"(?:user|recipient|mailbox|address|account)\b[^.]{0,80}?"
    r"(?:unknown|not found|does(?: not|n't) exist|not exist|no longer|disabled|invalid)"
    r"|\buser\b[^.]{0,20}\b(?:doesn't|does not) have an? \S+ account"  # Yahoo
    r"|(?:unknown|no such|invalid|non-?existent) (?:user|recipient|mailbox|address|account|person)",
    re.IGNORECASE,
)
_AUTH = frozenset({530, 534, 535, 538})
_QUOTA_WAIT = 3_600.0
_THROTTLE_WAIT = 5.0
_GREY_WAIT = 300.0  # what Postgrey and its like ask for, when a server does not say
_LONGEST_GREY_WAIT = 3_600.0
_SENDER = re.compile(r"sender address rejected", re.IGNORECASE)
_SENDER_WAIT = 60.0
_BUSY = re.compile(r"receiving (?:mail|messages) (?:too quickly|at a rate)", re.IGNORECASE)  # Gmail, also after 5yz
_FOREVER = re.compile(r"permanently deferred", re.IGNORECASE)  # Yahoo's [TS03]: waiting does not help
# (subject, detail) of an enhanced code that means something else when it is temporary, or permanent.
_TEMPORARY: dict[tuple[int, int], Cause] = {(2, 1): Cause.BUSY}
_PERMANENT: dict[tuple[int, int], Cause] = {(4, 1): Cause.UNKNOWN, (5, 0): Cause.UNKNOWN}  # Microsoft: no such mailbox?
# (subject, detail) of an enhanced code; None: any detail.
_MEANINGS: dict[tuple[int, int | None], Cause] = {
    (1, 0): Cause.UNKNOWN,  # any refusal that has to do with an address, also the sender's
    (1, 7): Cause.INVALID,  # the sender's address
    (1, 8): Cause.INVALID,
    (1, None): Cause.ADDRESS,
    (2, 0): Cause.ADDRESS,
    (2, 1): Cause.ADDRESS,
    (2, 2): Cause.MAILBOX_FULL,
    (2, 3): Cause.SIZE,
    (2, 121): Cause.BUSY,  # Microsoft's limits of a recipient, by hour, and by sender
    (2, 122): Cause.BUSY,
    (3, 4): Cause.SIZE,
    (4, 5): Cause.THROTTLED,
    (4, None): Cause.OUTAGE,
    (3, None): Cause.OUTAGE,
    (5, 3): Cause.THROTTLED,
    (5, None): Cause.INVALID,
    (6, None): Cause.CONTENT,
    (7, None): Cause.REPUTATION,
}


def with_cause(outcome: Outcome) -> Outcome:
    """Return the outcome of an SMTP transaction with its cause, and as a fault of the provider when it is one."""
    if outcome.kind in (OutcomeKind.ACCEPTED, OutcomeKind.NOT_STARTED):
        return outcome
    if outcome.reply is None:
        return replace(outcome, cause=outcome.cause or (Cause.INVALID if outcome.verb == "CHECK" else Cause.OUTAGE))
    if outcome.kind is not OutcomeKind.UNCERTAIN:
        if _QUOTA.search(outcome.text):
            return _fault(outcome, Cause.QUOTA, _QUOTA_WAIT)
        if _THROTTLE.search(outcome.text):
            return _fault(outcome, Cause.THROTTLED, _THROTTLE_WAIT)
        if outcome.kind is OutcomeKind.DEFERRED and _is_greylisting(outcome.verb, outcome.text):
            return replace(outcome, cause=Cause.GREYLISTED, retry_after=_grey_wait(outcome.text))
    cause = _cause(outcome.verb, outcome.code or 0, outcome.text)
    if _refuses_sender(outcome, cause):
        return _fault(outcome, Cause.SENDER, _SENDER_WAIT)
    return replace(outcome, cause=cause)


def _refuses_sender(outcome: Outcome, cause: Cause) -> bool:
    """Tell whether a server does not send for whom the message is from; Postfix says it in its answer to RCPT."""
    if outcome.kind is not OutcomeKind.REJECTED or cause is Cause.SIZE:
        return False
    return outcome.verb == "MAIL" or (outcome.verb == "RCPT" and _SENDER.search(outcome.text) is not None)


def _fault(outcome: Outcome, cause: Cause, wait: float) -> Outcome:
    return replace(
        outcome, kind=OutcomeKind.PROVIDER_FAULT, cause=cause, retry_after=max(outcome.retry_after or 0.0, wait)
    )


def _is_greylisting(verb: str, text: str) -> bool:
    """Tell whether a server refuses a message only until it comes again; before RCPT nothing is about a message."""
    return verb in ("RCPT", "DATA", "DOT") and (_GREY.search(text) or _COME_BACK.search(text)) is not None


def _grey_wait(text: str) -> float:
    """Return the seconds that a greylisting server asks for."""
    found = _COME_BACK_IN.search(text)
    if found is None:
        return _GREY_WAIT
    if found[1] is not None:
        seconds = int(found[1]) * 3_600 + int(found[2]) * 60 + int(found[3])
    else:
        seconds = int(found[4]) * (60 if found[5].lower() == "minute" else 1)
    return min(max(float(seconds), 1.0), _LONGEST_GREY_WAIT)


def _cause(verb: str, code: int, text: str) -> Cause:
    if code in _AUTH or (verb == "AUTH" and code >= 500):
        return Cause.CREDENTIALS
    if verb == "AUTH":
        return Cause.OUTAGE  # 454 (RFC 4954): it cannot look passwords up now, or has seen too many
    if _BUSY.search(text):
        return Cause.BUSY
    if _FOREVER.search(text):
        return Cause.REPUTATION
    if code == 421:
        return Cause.THROTTLED
    return _by_enhanced_code(text) or _by_code(verb, code, text)


def _by_enhanced_code(text: str) -> Cause | None:
    """Return what an enhanced status code says, where there is one that says something."""
    enhanced = _ENHANCED.search(text)
    if enhanced is None:
        return None
    is_temporary, subject, detail = enhanced[1] == "4", int(enhanced[2]), int(enhanced[3])
    if is_temporary and subject == 7:
        return Cause.THROTTLED  # limits that pass
    found = (_TEMPORARY if is_temporary else _PERMANENT).get((subject, detail))
    return found or _MEANINGS.get((subject, detail)) or _MEANINGS.get((subject, None))


def _by_code(verb: str, code: int, text: str) -> Cause:
    """Return what is left to say without one."""
    if 550 <= code <= 554 and verb in ("RCPT", "DOT") and _NO_MAILBOX.search(text):
        return Cause.ADDRESS
    if code == 552:
        return Cause.SIZE
    if code in (550, 551, 553) and verb == "RCPT":
        return Cause.UNKNOWN
    if code in (450, 451, 452):
        return Cause.THROTTLED
    if verb == "DOT" and code >= 500:
        return Cause.CONTENT
    return Cause.REPUTATION if code == 554 else Cause.UNKNOWN
