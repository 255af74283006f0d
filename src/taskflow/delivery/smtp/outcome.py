"""SMTP replies in the vocabulary of outcomes.

Accepted is 2yz to the final dot; rejected 5yz to MAIL, RCPT, DATA or the final dot; deferred 4yz, or a connection that
failed before the final dot was written. Uncertain: the final dot was written and no complete reply was read.
"""

from taskflow.delivery.outcome import Outcome, OutcomeKind
from taskflow.delivery.smtp.reply import Reply

_AUTH_CODES = frozenset({530, 534, 535, 538})  # RFC 4954: about us and the server, whatever command they answer


def of_final(reply: Reply) -> Outcome:
    """Classify the reply to the final dot."""
    if reply.ok:
        return Outcome(OutcomeKind.ACCEPTED, "DOT", reply)
    if reply.code < 400:
        return Outcome(OutcomeKind.UNCERTAIN, "DOT", reply, f"The server answered the message with {reply}.")
    return of_refusal("DOT", reply)


def of_refusal(verb: str, reply: Reply) -> Outcome:
    """Classify a refusal, or an answer that makes no sense, before the message or at its end."""
    if reply.code in _AUTH_CODES:
        return Outcome(OutcomeKind.PROVIDER_FAULT, verb, reply)
    kind = OutcomeKind.REJECTED if reply.code >= 500 else OutcomeKind.DEFERRED
    return Outcome(kind, verb, reply)


def cut(verb: str, reason: str) -> Outcome:
    """Return the outcome of a message whose connection failed at `verb`."""
    return Outcome(OutcomeKind.UNCERTAIN if verb == "DOT" else OutcomeKind.DEFERRED, verb, reason=reason)
