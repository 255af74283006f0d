"""After a change of the secret key: whatever is sealed in PostgreSQL is wrapped with the present one.

That is the secrets of providers and the private keys of DKIM; nothing inside a seal changes.
"""

from typing import NamedTuple

from taskflow.base.envelope import Sealed, Vault
from taskflow.db.pool import Connection, Pool
from taskflow.delivery.domains import keys
from taskflow.delivery.domains.repository import sql as domains
from taskflow.delivery.providers import opening
from taskflow.delivery.providers.repository import sql as providers


class Rotated(NamedTuple):
    """What a rotation did."""

    key_id: str
    rewrapped: int
    kept: int


async def rotate(pool: Pool, vault: Vault) -> Rotated:
    """Wrap all secrets with the present key.

    Raises:
        SealBrokenError: one is wrapped with a key that is not here; then none is changed.
    """
    async with pool.acquire() as connection, connection.transaction():
        rewrapped = await _provider_secrets(connection, vault) + await _private_keys(connection, vault)
        total = int(await connection.fetchval(providers.count_secrets))
        total += int(await connection.fetchval(domains.count_private_keys))
    return Rotated(vault.key_id, rewrapped, total - rewrapped)


async def _provider_secrets(connection: Connection, vault: Vault) -> int:
    rows = await connection.fetch(providers.lock_secrets, vault.key_id)
    for row in rows:
        name = opening.bound_to(row["provider_id"])
        sealed = vault.rewrap(Sealed(row["secrets_key"], row["secrets"]), name)
        await connection.execute(providers.rewrap, row["provider_id"], sealed.data, sealed.key_id)
    return len(rows)


async def _private_keys(connection: Connection, vault: Vault) -> int:
    rows = await connection.fetch(domains.lock_private_keys, vault.key_id)
    for row in rows:
        domain, selector = row["domain"], row["selector"]
        sealed = vault.rewrap(Sealed(row["sealing_key"], row["private_key"]), keys.bound_to(domain, selector))
        await connection.execute(domains.rewrap_private_key, domain, selector, sealed.data, sealed.key_id)
    return len(rows)
