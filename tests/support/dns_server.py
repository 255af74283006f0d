"""A name server on a loopback port, over UDP and TCP, that answers what a test says and lies where it is told to.

async with DnsServer() as zone:
    zone.add("example.org", "TXT", '"v=spf1 -all"')
    settings.domain.nameservers = [zone.address]
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Self

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset

MAX_UDP = 400  # what is longer comes truncated, so that it is asked for again over TCP

Lie = Callable[[dns.message.Message], bytes | None]


def silence(query: dns.message.Message) -> None:
    """Never answer."""


def failure(query: dns.message.Message) -> bytes:
    """Say SERVFAIL."""
    answer = dns.message.make_response(query)
    answer.set_rcode(dns.rcode.SERVFAIL)
    return answer.to_wire()


def garbage(query: dns.message.Message) -> bytes:
    """Answer with the right id and nothing that can be read after it."""
    return query.id.to_bytes(2, "big") + b"\x81\x80" + b"\xff" * 40


def circle(query: dns.message.Message) -> bytes:
    """Say that the name is another's alias, and the other its own."""
    answer = dns.message.make_response(query)
    name = query.question[0].name
    other = dns.name.from_text("other", name)
    for one, target in ((name, other), (other, name)):
        answer.answer.append(dns.rrset.from_text(one, 60, "IN", "CNAME", target.to_text()))
    return answer.to_wire()


class DnsServer:
    """One zone for all names."""

    def __init__(self) -> None:
        self.records: dict[tuple[str, str], list[str]] = {}
        self.lies: dict[str, Lie] = {}
        self.asked: Counter[str] = Counter()  # by transport
        self.port = 0

    @property
    def address(self) -> str:
        """As the settings want it."""
        return f"127.0.0.1:{self.port}"

    def add(self, name: str, kind: str, *values: str) -> None:
        """Add records, written as in a zone file."""
        self.records.setdefault((name.lower(), kind), []).extend(values)

    def add_line(self, line: str) -> None:
        """Add a record as a line of a zone file."""
        name, _, kind, value = line.split(" ", 3)
        self.add(name.rstrip("."), kind, value)

    def clear(self, name: str, kind: str) -> None:
        """Take records away."""
        self.records.pop((name.lower(), kind), None)

    def lie(self, name: str, lie: Lie) -> None:
        """Answer otherwise to every question about a name."""
        self.lies[name.lower()] = lie

    async def __aenter__(self) -> Self:
        """Listen on one port over both transports."""
        loop = asyncio.get_running_loop()
        self._tcp = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._tcp.sockets[0].getsockname()[1]
        self._udp, _ = await loop.create_datagram_endpoint(
            lambda: _Datagrams(self), local_addr=("127.0.0.1", self.port)
        )
        return self

    async def __aexit__(self, *error: object) -> None:
        """Stop."""
        self._udp.close()
        self._tcp.close()
        await self._tcp.wait_closed()

    def answer(self, data: bytes, transport: str) -> bytes | None:
        """Return the answer to a query."""
        self.asked[transport] += 1
        query = dns.message.from_wire(data)
        question = query.question[0]
        name = question.name.to_text(omit_final_dot=True).lower()
        if name in self.lies:
            return self.lies[name](query)
        answer = dns.message.make_response(query)
        answer.flags |= dns.flags.RA
        kind = dns.rdatatype.to_text(question.rdtype)
        values = self.records.get((name, kind), [])
        if values:
            answer.answer.append(dns.rrset.from_text(question.name, 60, "IN", kind, *values))
        elif not any(known == name or known.endswith(f".{name}") for known, _ in self.records):
            answer.set_rcode(dns.rcode.NXDOMAIN)
        wire = answer.to_wire(max_size=65_535)
        if transport == "udp" and len(wire) > MAX_UDP:
            short = dns.message.make_response(query)
            short.flags |= dns.flags.TC
            return short.to_wire()
        return wire

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            size = int.from_bytes(await reader.readexactly(2), "big")
            answer = self.answer(await reader.readexactly(size), "tcp")
            if answer is not None:
                writer.write(len(answer).to_bytes(2, "big") + answer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, server: DnsServer) -> None:
        self._server = server

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        answer = self._server.answer(data, "udp")
        if answer is not None:
            self._transport.sendto(answer, addr)  # type: ignore[attr-defined]
