"""What a process knows of its senders: whose keys sign their mail, and where bounces go.

Looked up once and again after half a minute, so that a rotated key is used by all processes soon, and a retired one is
long out of use when it leaves the zone. While PostgreSQL is away, what is known stays true.
"""

import time
from dataclasses import dataclass

from taskflow.base.envelope import Sealed
from taskflow.base.logging import get_logger
from taskflow.db.outages import DATABASE_AWAY
from taskflow.db.pool import Pool
from taskflow.delivery.dkim import Signer
from taskflow.delivery.domains.keys import open_key
from taskflow.delivery.domains.models import lineage
from taskflow.delivery.domains.repository import sql
from taskflow.delivery.return_paths import ReturnPaths
from taskflow.identity.secret_key import signing_key, vault
from taskflow.settings import Settings

log = get_logger(__name__)

_FRESH_SECONDS = 30.0
_MOST_KNOWN = 10_000


@dataclass(frozen=True, slots=True)
class Sender:
    """How mail of one From domain leaves. Nothing is signed when nobody has registered the domain."""

    signer: Signer | None = None
    return_paths: ReturnPaths | None = None


NOBODY = Sender()


class Senders:
    """Knows senders by the domain of their address."""

    def __init__(self, pool: Pool, settings: Settings) -> None:
        """Use the ordinary pool.

        Raises:
            ConfigurationError: there is no secret key.
        """
        self._pool = pool
        self._vault = vault(settings)
        self._secret = signing_key(settings).get_secret_value().encode()
        self._known: dict[str, tuple[float, Sender]] = {}

    async def of(self, from_email: str) -> Sender:
        """Return how mail from this address leaves.

        Raises:
            SealBrokenError: a key cannot be opened: what should be signed must not leave without.
        """
        domain = from_email.rpartition("@")[2].lower()
        since, sender = self._known.get(domain, (0.0, None))
        now = time.monotonic()
        if sender is not None and now - since < _FRESH_SECONDS:
            return sender
        try:
            found = await self._read(domain)
        except DATABASE_AWAY:
            if sender is None:
                raise
            log.warning("senders_not_read", domain=domain)
            found = sender
        if len(self._known) >= _MOST_KNOWN:
            self._known.clear()
        # The same keys stay the same object: whoever has prepared for them need not do so again.
        kept = sender if sender is not None and _same(sender, found) else found
        self._known[domain] = (now, kept)
        return kept

    async def _read(self, domain: str) -> Sender:
        rows = await self._pool.fetch(sql.signing_keys, lineage(domain))
        if not rows:
            return NOBODY
        of, return_path = rows[0]["domain"], rows[0]["return_path_domain"]
        keys = tuple(
            open_key(self._vault, of, row["selector"], row["algorithm"], Sealed(row["sealing_key"], row["private_key"]))
            for row in rows
            if row["selector"] is not None
        )
        signer = Signer(of, keys) if keys else None
        return Sender(signer, ReturnPaths(self._secret, return_path) if return_path else None)


def _same(one: Sender, other: Sender) -> bool:
    return _outline(one) == _outline(other)


def _outline(sender: Sender) -> tuple[object, ...]:
    signer = sender.signer
    signed = (signer.domain, *(key.selector for key in signer.keys)) if signer is not None else ()
    return signed, sender.return_paths.domain if sender.return_paths is not None else None
