"""A mail sink for benchmarks: takes everything, keeps nothing, and outruns the sender that is measured.

    python benchmarks/smtp_sink.py --port 2526 --record sent.log

It speaks just enough ESMTP (PIPELINING, 8BITMIME, SMTPUTF8, SIZE) to be honest about order: a reply for every
command, 250 for a message only after its final dot has arrived. `--record` keeps one line per message, recipient,
Message-ID, when it was taken (seconds on the machine's monotonic clock) and the algorithm of its DKIM signature (`-`:
none), so that a benchmark can check that nothing was lost, doubled or left unsigned; it is complete once the sink has
ended, and with `--flush` before each 250. SIGUSR1 prints the count; SIGTERM and Ctrl-C end it.
"""

import argparse
import asyncio
import re
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

import uvloop

EHLO = b"250-sink\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 SIZE 52428800\r\n"
MESSAGE_ID = re.compile(rb"^Message-ID:\s*(\S+)", re.IGNORECASE | re.MULTILINE)
SIGNATURE = re.compile(rb"DKIM-Signature: v=1; a=([a-z0-9-]+);")  # the first field, where there is one


class Sink:
    """What all connections share: the count and the record."""

    def __init__(self, record: TextIO | None = None, *, flush: bool = False) -> None:
        """Start at zero; `record` gets `<recipient> <message id> <seconds> <algorithm>`, at once with `flush`."""
        self.messages = 0
        self.connections = 0
        self.record = record
        self.flush = flush

    def took(self, recipient: bytes, message: bytes) -> None:
        """Count one message."""
        self.messages += 1
        if self.record is not None:
            signed = SIGNATURE.match(message)
            algorithm = signed[1].decode() if signed else "-"
            self.record.write(f"{recipient.decode()} {message_id(message)} {time.monotonic():.6f} {algorithm}\n")
            if self.flush:
                self.record.flush()


def message_id(message: bytes) -> str:
    """Return the Message-ID that a message begins with."""
    found = MESSAGE_ID.search(message, 0, 4096)
    return found[1].decode() if found else "-"


class Session(asyncio.Protocol):
    """One connection: bytes in, as many replies as they complete out in one write."""

    def __init__(self, sink: Sink) -> None:
        """Count into `sink`."""
        self.sink = sink
        self.buffer = b""
        self.in_data = False
        self.is_over = False  # it is hung up on once what was said is out
        self.recipient = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet."""
        self.transport: asyncio.Transport = transport  # type: ignore[assignment]
        self.sink.connections += 1
        self.transport.write(b"220 sink ESMTP\r\n")

    def data_received(self, data: bytes) -> None:
        """Answer every complete command and message."""
        buffer = self.buffer + data if self.buffer else data
        replies: list[bytes] = []
        position = 0
        while not self.is_over:
            if self.in_data:
                end = buffer.find(b"\r\n.\r\n", position)
                if end < 0:
                    break
                replies.append(self.message(buffer[position : min(end, position + 4096)]))
                position = end + 5
                self.in_data = False
                continue
            end = buffer.find(b"\r\n", position)
            if end < 0:
                break
            line = buffer[position:end]
            position = end + 2
            replies.append(self.command(line))
        self.buffer = buffer[position:]
        if replies:
            self.transport.write(b"".join(replies))
        if self.is_over:
            self.transport.close()

    def message(self, message: bytes) -> bytes:
        """Return the reply to a message, of which this is the beginning."""
        self.sink.took(self.recipient, message)
        return b"250 2.0.0 taken\r\n"

    def command(self, line: bytes) -> bytes:
        """Return the reply to one command."""
        verb = line[:4].upper()
        if verb == b"MAIL":
            return b"250 2.1.0 ok\r\n"
        if verb == b"RCPT":
            self.recipient = line[line.find(b"<") + 1 : line.rfind(b">")]
            return b"250 2.1.5 ok\r\n"
        if verb == b"DATA":
            self.in_data = True
            return b"354 go ahead\r\n"
        if verb == b"EHLO":
            return EHLO
        if verb == b"QUIT":
            self.is_over = True
            return b"221 bye\r\n"
        return b"250 ok\r\n"


async def serve(sink: Sink, session: Callable[[Sink], Session], host: str, port: int) -> None:
    """Serve until SIGTERM or Ctrl-C."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: session(sink), host, port)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    loop.add_signal_handler(signal.SIGUSR1, lambda: print(sink.messages, flush=True))
    print(f"listening on {host}:{server.sockets[0].getsockname()[1]}", flush=True)
    await stop.wait()
    server.close()
    if sink.record is not None:
        sink.record.close()
    print(f"{sink.messages} messages over {sink.connections} connections", file=sys.stderr)


def arguments() -> argparse.ArgumentParser:
    """Return what every sink takes."""
    parser = argparse.ArgumentParser(description="A mail sink for benchmarks.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--record", type=Path, help="write one line per message")
    parser.add_argument("--flush", action="store_true", help="write each line before the message's 250")
    return parser


def main() -> None:
    """Run the sink."""
    options = arguments().parse_args()
    record = options.record.open("a", buffering=1024**2) if options.record else None
    uvloop.run(serve(Sink(record, flush=options.flush), Session, options.host, options.port))


if __name__ == "__main__":
    main()
