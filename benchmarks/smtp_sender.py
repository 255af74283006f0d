"""The fastest sender that we can write, for the limit of the sink: one prebuilt message, over and over.

    python benchmarks/smtp_sender.py --port 2526 --messages 50000 < message.eml

It speaks as TaskFlow's client does: MAIL, RCPT and DATA in one write together with the body before, one reply awaited
a message. Prints messages per second.
"""

import argparse
import asyncio
import sys
import time
from functools import partial

import uvloop

_OPENING = b"MAIL FROM:<sender@example.com>\r\nRCPT TO:<person@example.com>\r\nDATA\r\n"


class Sender(asyncio.Protocol):
    """One connection that sends its share."""

    def __init__(self, messages: int, body: bytes, done: "asyncio.Future[None]") -> None:
        """Send `body` so many times, then resolve `done`."""
        self._left = messages
        self._step = body + _OPENING
        self._last = body
        self._done = done
        self._said_hello = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the greeting."""
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        """Answer the one reply that matters: the greeting, the end of EHLO, each 354, the last 250."""
        if data.startswith(b"220"):
            self._transport.write(b"EHLO sender\r\n")
        elif not self._said_hello:
            self._said_hello = b"\r\n250 " in data
            self._transport.write(_OPENING)
        elif data.endswith(b"354 go ahead\r\n"):
            self._left -= 1
            self._transport.write(self._step if self._left else self._last)
        elif not self._left and data.endswith(b"taken\r\n"):
            self._transport.close()
            self._done.set_result(None)

    def connection_lost(self, error: Exception | None) -> None:
        """Fail when that was too early."""
        if not self._done.done():
            self._done.set_exception(error or ConnectionError("the sink hung up"))


async def send(host: str, port: int, messages: int, connections: int, message: bytes) -> float:
    """Send over all connections; return messages per second."""
    loop = asyncio.get_running_loop()
    share = messages // connections
    ends = [loop.create_future() for _ in range(connections)]
    started = time.perf_counter()
    for end in ends:
        await loop.create_connection(partial(Sender, share, message, end), host, port)
    await asyncio.gather(*ends)
    return share * connections / (time.perf_counter() - started)


def main() -> None:
    """Send what comes on standard input."""
    parser = argparse.ArgumentParser(description="The fastest sender for a sink.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--messages", type=int, default=50_000)
    parser.add_argument("--connections", type=int, default=8)
    options = parser.parse_args()
    message = sys.stdin.buffer.read().rstrip(b"\r\n") + b"\r\n.\r\n"
    print(uvloop.run(send(options.host, options.port, options.messages, options.connections, message)))


if __name__ == "__main__":
    main()
