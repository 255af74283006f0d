"""A mail sink that gets into trouble: fails in a share of cases, or has one domain that takes nothing for a while.

    python -m benchmarks.troubled_sink --record sent.log --troubles troubles.log --fail-after 10000
    python -m benchmarks.troubled_sink --record sent.log --troubles troubles.log --throttle slow.example --until 40000

`--fail-after N`: when it has taken N messages, it refuses a third of the connections with a 421, answers a tenth of the
MAIL commands with a 421 and hangs up, and hangs up on a tenth of the messages after their final dot instead of
answering; half of those it keeps. Nobody who sends to it can know which. The chances are the same in every run.
`--throttle DOMAIN --until N`: recipients there are told 450 or 421 in turns until N messages to others were taken.

`--troubles` keeps a line for each of these: what, and the Message-ID where there is one.
"""

import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

import uvloop

from benchmarks.smtp_sink import Session, Sink, arguments, message_id, serve

_REFUSED = 1 / 3
_CLOSED = 0.1
_CUT = 0.1


@dataclass
class Troubles:
    """What goes wrong, and when."""

    notes: TextIO
    fail_after: int | None
    throttle: bytes | None
    until: int
    chance: random.Random = field(default_factory=lambda: random.Random(20_261_130))  # noqa: S311 - reproducible

    def note(self, what: str, about: str = "-") -> None:
        """Write one down."""
        self.notes.write(f"{what} {about}\n")


class TroubledSession(Session):
    """A connection to a server in trouble."""

    def __init__(self, sink: Sink, troubles: Troubles) -> None:
        """Count into `sink`."""
        super().__init__(sink)
        self.troubles = troubles
        self.throttled = 0

    @property
    def fails(self) -> bool:
        """Tell whether the server has begun to fail."""
        after = self.troubles.fail_after
        return after is not None and self.sink.messages >= after

    def connection_made(self, transport) -> None:  # type: ignore[no-untyped-def]
        """Greet, or not."""
        if self.fails and self.troubles.chance.random() < _REFUSED:
            self.troubles.note("refused")
            transport.write(b"421 4.3.2 try later\r\n")
            transport.close()
            self.is_over = True
            return
        super().connection_made(transport)

    def message(self, message: bytes) -> bytes:
        """Take a message and say so; or do not say so, having taken it or not."""
        if self.fails and self.troubles.chance.random() < _CUT:
            self.is_over = True
            kept = self.troubles.chance.random() < 0.5
            self.troubles.note("kept" if kept else "dropped", message_id(message))
            if kept:
                self.sink.took(self.recipient, message)
            return b""
        return super().message(message)

    def command(self, line: bytes) -> bytes:
        """Answer one command."""
        verb = line[:4].upper()
        if verb == b"MAIL" and self.fails and self.troubles.chance.random() < _CLOSED:
            self.troubles.note("closed")
            self.is_over = True
            return b"421 4.3.2 closing\r\n"
        if verb == b"DATA" and not self.recipient:
            return b"554 5.5.1 no valid recipients\r\n"
        if verb == b"MAIL":
            self.recipient = b""
        if verb == b"RCPT" and self.is_throttled(line):
            self.troubles.note("throttled")
            self.throttled += 1
            if self.throttled % 2:
                return b"450 4.7.1 too much mail from you for now\r\n"
            self.is_over = True
            return b"421 4.7.0 too much mail from you for now\r\n"
        return super().command(line)

    def is_throttled(self, line: bytes) -> bool:
        """Tell whether this recipient's domain takes nothing now."""
        domain = self.troubles.throttle
        if domain is None or not line.rstrip().endswith(b"@" + domain + b">"):
            return False
        return self.sink.messages < self.troubles.until


def main() -> None:
    """Run it."""
    parser = arguments()
    parser.add_argument("--troubles", type=Path, required=True, help="write what went wrong")
    parser.add_argument("--fail-after", type=int, help="begin to fail after so many messages")
    parser.add_argument("--throttle", type=str.encode, metavar="DOMAIN", help="take nothing for this domain …")
    parser.add_argument("--until", type=int, default=0, help="… until so many messages for others were taken")
    options = parser.parse_args()
    record = options.record.open("a", buffering=1024**2)
    with options.troubles.open("w") as notes:
        troubles = Troubles(notes, options.fail_after, options.throttle, options.until)
        sink = Sink(record, flush=options.flush)
        uvloop.run(serve(sink, lambda one: TroubledSession(one, troubles), options.host, options.port))


if __name__ == "__main__":
    main()
