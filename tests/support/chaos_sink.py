"""A mail server that keeps no mail but a ledger of what it said 250 to: `python -m support.chaos_sink <port> <ledger>`.

It is no part of the product and shares no code with it. A line is in the ledger before the 250 is on the wire, so
whatever a sender may believe to be delivered is there.

    refuse…@    550 at RCPT, always
    defer…@     451 at RCPT the first time
"""

import asyncio
import random
import sys
from pathlib import Path

from support.chaos_ledger import Ledger

SECONDS_A_MESSAGE = 0.04


class Sink:
    """All sessions."""

    def __init__(self, ledger: Ledger) -> None:
        """Write to `ledger`."""
        self._ledger = ledger
        self._deferred: set[str] = set()
        self._sessions = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Speak SMTP with one client."""
        self._sessions += 1
        session, recipient = self._sessions, ""
        writer.write(b"220 sink\r\n")
        try:
            while line := await reader.readline():
                verb = line[:4].upper()
                if verb == b"EHLO":
                    writer.write(b"250-sink\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SMTPUTF8\r\n")
                elif verb == b"RCPT":
                    recipient = line.split(b"<", 1)[1].split(b">", 1)[0].decode()
                    reply = self._judge(recipient)
                    if reply:
                        recipient = ""
                    writer.write(reply or b"250 ok\r\n")
                elif verb == b"DATA":
                    if not recipient:
                        writer.write(b"503 no recipient\r\n")
                        continue
                    writer.write(b"354 go ahead\r\n")
                    await writer.drain()
                    content = await reader.readuntil(b"\r\n.\r\n")
                    await asyncio.sleep(random.uniform(0, 2 * SECONDS_A_MESSAGE))  # noqa: S311
                    self._ledger.write(
                        event="accepted", rcpt=recipient, message_id=_header(content, b"message-id"), session=session
                    )
                    writer.write(b"250 queued\r\n")
                    recipient = ""
                elif verb == b"QUIT":
                    writer.write(b"221 bye\r\n")
                    break
                else:
                    writer.write(b"250 ok\r\n")
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            self._ledger.write(event="cut", session=session)
        finally:
            writer.close()

    def _judge(self, recipient: str) -> bytes:
        if recipient.startswith("refuse"):
            return b"550 5.1.1 no such user\r\n"
        if recipient.startswith("defer") and recipient not in self._deferred:
            self._deferred.add(recipient)
            return b"451 4.2.0 later\r\n"
        return b""


def _header(content: bytes, name: bytes) -> str:
    for line in content.split(b"\r\n\r\n", 1)[0].split(b"\r\n"):
        key, _, value = line.partition(b":")
        if key.lower() == name:
            return value.strip().decode()
    return ""


async def _main(port: int, ledger: Path) -> None:
    server = await asyncio.start_server(Sink(Ledger(ledger)).serve, "127.0.0.1", port, limit=1 << 20)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_main(int(sys.argv[1]), Path(sys.argv[2])))
