"""What to put in the zone, as exact records."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from taskflow.delivery.domains.models import DkimKey, KeyState, SendingDomain
from taskflow.delivery.domains.outlets import Outlet
from taskflow.settings import Settings

_STRING_BYTES = 255  # of one character-string in a TXT record (RFC 1035, section 3.3)
_HOST = re.compile(r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}")


@dataclass(frozen=True, slots=True)
class Record:
    """One record: as web forms want it (`name`, `value`), and as a line of a zone file."""

    name: str
    type: str
    value: str
    line: str
    purpose: str


def txt(name: str, value: str, purpose: str) -> Record:
    """Return a TXT record; a long value is split into strings that DNS can hold."""
    strings = [value[place : place + _STRING_BYTES] for place in range(0, len(value), _STRING_BYTES)]
    quoted = " ".join('"{}"'.format(re.sub(r'(["\\])', r"\\\1", string)) for string in strings)
    return Record(name, "TXT", value, f"{name}. IN TXT {quoted}", purpose)


def dkim_records(domain: SendingDomain, retire_days: int) -> list[Record]:
    """Return the records of a domain's keys: those that sign or will, and those that have to stay a while."""
    found = []
    for key in domain.keys:
        if key.state is KeyState.RETIRED:
            found.append(txt(key.name, key.record, f"DKIM, retired: may go on {_gone_on(key, retire_days)}"))
        else:
            found.append(txt(key.name, key.record, f"DKIM, {key.state.value}"))
    return found


def records_of(domain: SendingDomain, settings: Settings, outlets: Sequence[Outlet]) -> list[Record]:
    """Return everything that the zone of a domain should hold, as far as it is known without asking it."""
    found = dkim_records(domain, settings.domain.retire_days)
    mechanisms = spf_mechanisms(settings, outlets)
    if mechanisms:
        value = f"v=spf1 {' '.join(mechanisms)} ~all"
        found.append(txt(domain.envelope_domain, value, "SPF; add these terms where there is such a record already"))
    found.append(txt(f"_dmarc.{domain.domain}", "v=DMARC1; p=none", "DMARC, the least that bulk senders must have"))
    return found


def spf_mechanisms(settings: Settings, outlets: Sequence[Outlet]) -> list[str]:
    """Return the SPF terms that stand for where our mail leaves from; none when that is not known.

    TASKFLOW_DOMAIN_OUTGOING_ADDRESSES stand for all mail servers but those that a term of their own is known for.
    """
    outgoing = settings.domain.outgoing_addresses
    terms = [f"ip{address.version}:{address}" for address in outgoing]
    for outlet in outlets:
        if outlet.term is not None:
            terms.append(outlet.term)
        elif not outgoing and outlet.host is not None and _HOST.fullmatch(outlet.host) is not None:
            terms.append(f"a:{outlet.host}")
    return list(dict.fromkeys(terms))


def with_mechanisms(record: str, mechanisms: Sequence[str]) -> str:
    """Return an SPF record with further terms, before the one that ends it."""
    terms = record.split()
    place = next((at for at, term in enumerate(terms) if _ENDS.fullmatch(term)), len(terms))
    return " ".join([*terms[:place], *(one for one in mechanisms if one not in terms), *terms[place:]])


_ENDS = re.compile(r"[+?~-]?all|redirect=.*", re.IGNORECASE)


def _gone_on(key: DkimKey, days: int) -> str:
    return f"{key.retired_at + timedelta(days=days):%Y-%m-%d}" if key.retired_at is not None else "some day"
