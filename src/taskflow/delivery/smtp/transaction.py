"""A window of messages over one connection, pipelined, with every reply given to the message it belongs to.

With PIPELINING (RFC 2920) one message costs one write and one read:

    → MAIL RCPT DATA                               ← 250 250 354
    → message 1, the final dot, MAIL RCPT DATA     ← 250 250 250 354
    → message 2, the final dot, MAIL RCPT DATA     ← 250 250 250 354
    → message 3, the final dot                     ← 250

A body is written only after its own 354 was read; a final dot therefore always belongs to a message whose envelope
was taken. A refused envelope is followed by RSET, in one write with the next. When the server says 354 although it
refused the recipient, a lone dot ends the empty message, as section 3.1 of the RFC asks. When the time of the window
is over after a 354, the connection is closed: without its final dot a message is never taken.

Without PIPELINING the same code says one command at a time.
"""

import time
from collections.abc import Callable, Sequence

from taskflow.delivery.outcome import NOT_STARTED, STOPPED, Outcome, OutcomeKind
from taskflow.delivery.smtp.connection import Connection
from taskflow.delivery.smtp.envelope import DATA, DOT, Envelope, Prepared, prepare
from taskflow.delivery.smtp.outcome import cut, of_final, of_refusal
from taskflow.delivery.smtp.reply import Reply
from taskflow.delivery.smtp.wire import BrokenWireError
from taskflow.settings.smtp import SmtpSettings

OnReply = Callable[[Envelope, Reply], None]

_RSET = b"RSET\r\n"
_CLOSING = 421
_GO_AHEAD = 354
_PIECE = 256 * 1024  # bytes of a large body between two looks at whether the server still reads


class Transaction:
    """Sends envelopes in order and appends one outcome for each to `outcomes`.

    It ends early, with fewer outcomes than envelopes, when the connection can no longer be used: the caller goes on
    with the rest over another one. An envelope that a kept-alive connection swallowed without any answer (closed
    for its age, or 421) gets no outcome: it was not refused, just not heard.
    """

    def __init__(
        self, connection: Connection, settings: SmtpSettings, outcomes: list[Outcome], on_reply: OnReply | None
    ) -> None:
        """Work on a connection that nobody else uses."""
        self._connection = connection
        self._wire = connection.wire
        self._settings = settings
        self._outcomes = outcomes
        self._on_reply = on_reply
        self._verb = "MAIL"  # how far the present message has come, for when the wire breaks
        self._fresh = False  # the present envelope is the first on this connection

    async def send(self, envelopes: Sequence[Envelope], deadline: float) -> None:
        """Send what can be sent; `deadline` is on `time.monotonic()`."""
        ready = [(envelope, prepare(envelope, self._connection.features)) for envelope in envelopes]
        said = False  # the present envelope went out together with the body before it
        for index, (envelope, prepared) in enumerate(ready):
            if isinstance(prepared, Outcome):
                self._outcomes.append(prepared)
                continue
            following = ready[index + 1][1] if index + 1 < len(ready) else None
            try:
                refusal = await self._envelope(prepared, said, deadline)
                if refusal is None:
                    said = await self._body(envelope, prepared, following, deadline)
                else:
                    said = False
                    self._outcomes.append(refusal)
            except BrokenWireError as error:
                if not self._forgiven(error):
                    self._outcomes.append(cut(self._verb, str(error)))
                return
            if not self._connection.usable and not said:
                return

    def interrupted(self) -> Outcome:
        """Return the outcome of the present message when its sender was cancelled."""
        return STOPPED if self._verb != "DOT" else cut("DOT", STOPPED.reason)

    # -- one message

    async def _envelope(self, prepared: Prepared, said: bool, deadline: float) -> Outcome | None:
        """Say MAIL, RCPT and DATA, and return the refusal if there was one."""
        self._verb = "MAIL"
        if not said:
            if time.monotonic() >= deadline:
                return NOT_STARTED
            self._fresh = self._connection.envelopes == 0
        if self._connection.features.pipelining:
            return await self._hear_all(prepared, said)
        return await self._step_by_step(prepared)

    async def _hear_all(self, prepared: Prepared, said: bool) -> Outcome | None:
        if not said:
            self._connection.envelopes += 1
            if self._connection.dirty:
                self._wire.write(_RSET + prepared.mail + prepared.rcpt + DATA, replies=4)
                await self._reset_reply()
            else:
                self._wire.write(prepared.mail + prepared.rcpt + DATA, replies=3)
        for verb in ("MAIL", "RCPT", "DATA"):
            self._verb = verb
            refusal = self._judge(verb, await self._wire.reply(self._settings.command_timeout))
            if refusal is not None:
                await self._after_refusal(verb)
                return refusal
        return None

    async def _after_refusal(self, verb: str) -> None:
        """Read what the server still says to the rest of a refused envelope; nothing in it changes the outcome."""
        seconds = self._settings.command_timeout
        try:
            if verb == "MAIL":
                await self._wire.reply(seconds)
            if verb != "DATA" and (await self._wire.reply(seconds)).code == _GO_AHEAD:
                if verb == "MAIL":
                    self._connection.close()  # a message without a sender: better not end it
                    return
                self._wire.write(DOT, replies=1)
                await self._wire.reply(seconds)
        except BrokenWireError:
            return

    async def _step_by_step(self, prepared: Prepared) -> Outcome | None:
        self._connection.envelopes += 1
        if self._connection.dirty:
            self._wire.write(_RSET, replies=1)
            await self._reset_reply()
        for verb, line in (("MAIL", prepared.mail), ("RCPT", prepared.rcpt), ("DATA", DATA)):
            self._verb = verb
            self._wire.write(line, replies=1)
            refusal = self._judge(verb, await self._wire.reply(self._settings.command_timeout))
            if refusal is not None:
                return refusal
        return None

    async def _body(
        self, envelope: Envelope, prepared: Prepared, following: Prepared | Outcome | None, deadline: float
    ) -> bool:
        """Write the message, and the next envelope with it; return whether that was said."""
        if time.monotonic() >= deadline:
            self._connection.close()
            self._outcomes.append(NOT_STARTED)
            return False
        ahead = isinstance(following, Prepared) and self._connection.features.pipelining
        if ahead and isinstance(following, Prepared):
            await self._write_message(prepared.body + following.mail + following.rcpt + DATA, replies=4)
            self._connection.envelopes += 1
        else:
            await self._write_message(prepared.body, replies=1)
        self._verb = "DOT"
        reply = await self._wire.reply(self._settings.data_timeout)
        outcome = of_final(reply)
        self._outcomes.append(outcome)
        self._verb = "MAIL"
        self._fresh = False
        if outcome.kind is OutcomeKind.UNCERTAIN or reply.code == _CLOSING:
            self._connection.close()
            ahead = False
        if self._on_reply is not None:
            self._on_reply(envelope, reply)
        return ahead

    async def _write_message(self, payload: bytes, replies: int) -> None:
        """Write a message; a large one in pieces, so that the final dot goes out after the server has read the rest."""
        rest = memoryview(payload)
        ends = time.monotonic() + self._settings.data_timeout
        while len(rest) > 2 * _PIECE:
            self._wire.write(rest[:_PIECE], replies=0)
            await self._wire.writable(ends - time.monotonic())
            rest = rest[_PIECE:]
        self._wire.write(rest, replies)

    # -- what replies mean

    def _judge(self, verb: str, reply: Reply) -> Outcome | None:
        """Return None when the verb was taken, else the outcome of its message."""
        if reply.code == _GO_AHEAD if verb == "DATA" else reply.ok:
            self._connection.dirty = False
            return None
        self._connection.dirty = True
        if reply.code == _CLOSING:
            self._connection.close()
            if verb == "MAIL" and not self._fresh:
                raise BrokenWireError(f"The server ended the session: {reply}", hung_up=True)
        elif reply.code < 400:
            self._connection.close()
        return of_refusal(verb, reply)

    def _forgiven(self, error: BrokenWireError) -> bool:
        """Tell whether the envelope may simply be said again: nobody heard it on a connection that had grown old."""
        return self._verb == "MAIL" and not self._fresh and error.hung_up

    async def _reset_reply(self) -> None:
        reply = await self._wire.reply(self._settings.command_timeout)
        if not reply.ok:
            self._connection.close()
            raise BrokenWireError(f"The server refused RSET: {reply}")
        self._connection.dirty = False
