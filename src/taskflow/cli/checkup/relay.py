"""The SMTP relay: whether it answers, and whether keys can reach it from elsewhere."""

import asyncio
import ssl
from contextlib import suppress
from ipaddress import ip_address

from taskflow.cli.checkup.finding import Finding, ok, problem, warning
from taskflow.settings.submission import SubmissionSettings

_SECONDS = 5.0


async def examine(settings: SubmissionSettings) -> Finding:
    """Say EHLO to it; that there is none is no fault."""
    address = ip_address(settings.host) if _is_address(settings.host) else None
    is_everywhere = address is not None and address.is_unspecified
    host = ("::1" if address and address.version == 6 else "127.0.0.1") if is_everywhere else settings.host
    where = f"{settings.host}:{settings.port}"
    try:
        async with asyncio.timeout(_SECONDS):
            offers = await _ehlo(host, settings.port)
    except (OSError, EOFError, ValueError):
        is_local = settings.host == "localhost" or (address is not None and address.is_loopback)
        if is_local:
            return ok("relay", f"none at {where}; `taskflow submission` runs one")
        return warning("relay", f"none at {where}", "taskflow submission")
    if not offers:
        return problem("relay", f"what listens at {where} is no relay", "Choose another TASKFLOW_SUBMISSION_PORT.")
    if settings.tls_port and not await _speaks_tls(host, settings.tls_port):
        mend = "Run `taskflow submission` with the same TASKFLOW_SUBMISSION_TLS_PORT."
        return problem("relay", f"answers at {where}, but under TLS not at {settings.tls_port}", mend)
    if address is not None and address.is_loopback:
        return ok("relay", f"answers at {where}, for this machine")
    if "STARTTLS" not in offers:
        mend = "Set TASKFLOW_SUBMISSION_CERT_FILE: from elsewhere a key is only taken under TLS."
        return problem("relay", f"answers at {where} without TLS", mend)
    return ok("relay", f"answers at {where}, with TLS")


async def _ehlo(host: str, port: int) -> set[str]:
    """Return what the server offers; nothing, when it speaks no SMTP."""
    reader, writer = await asyncio.open_connection(host, port)
    try:
        if not (await reader.readline()).startswith(b"220"):
            return set()
        writer.write(b"EHLO localhost\r\n")
        offers: set[str] = set()
        while (line := (await reader.readline()).decode("latin-1")).startswith("250"):
            offers.add(line[4:].split(" ")[0].strip().upper())
            if line[3:4] == " ":
                break
        with suppress(OSError):
            writer.write(b"QUIT\r\n")
            await writer.drain()
        return offers
    finally:
        writer.close()


async def _speaks_tls(host: str, port: int) -> bool:
    """Tell whether a server greets there under TLS; whose certificate it shows is its clients' business."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        async with asyncio.timeout(_SECONDS):
            reader, writer = await asyncio.open_connection(host, port, ssl=context)
            try:
                return (await reader.readline()).startswith(b"220")
            finally:
                writer.close()
    except (OSError, EOFError, ValueError):
        return False


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
