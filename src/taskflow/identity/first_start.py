"""The first start: an administrator with a generated password, and a key for the command line of this machine.

There is no default password. The generated one is returned to the caller, who shows it once; it is never logged.
"""

import os
from pathlib import Path

from taskflow.base.errors import ConfigurationError
from taskflow.base.ids import uuid7
from taskflow.db.pool import Connection, Database
from taskflow.identity import passwords, repository
from taskflow.identity.authenticator import Authenticator
from taskflow.identity.models import METRICS, Role
from taskflow.identity.repository import sql
from taskflow.identity.secret_key import signing_key
from taskflow.identity.tokens import InvalidTokenError, TokenSigner, make_api_key
from taskflow.settings import CLI_KEY_FILE, Settings

_CLI_REQUESTS_PER_MINUTE = 6_000
_LOCK = 0x7466_6669_7273_7400  # "tffirst"


async def ensure_first_admin(database: Database, settings: Settings) -> str | None:
    """Add the first administrator when there is no user yet; return the generated password, or None.

    The password is good for `settings.security.admin_email` and known to nobody else. Two processes that start
    together make one administrator.
    """
    if await database.pool.fetchval(sql.any_user):
        return None
    password = passwords.generate_password()
    hashed = await passwords.hash_password(password)
    async with database.pool.acquire() as connection, connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
        if await connection.fetchval(sql.any_user):
            return None
        await repository.insert_user(connection, settings.security.admin_email, hashed, Role.ADMIN)
    return password


async def ensure_cli_key(database: Database, settings: Settings) -> Path:
    """See that `<home>/cli-key` holds a working administrator's key (mode 0600) and return its path.

    A key that still works is kept. It has a request budget of its own, because one command may watch thousands of
    tasks.

    Raises:
        ConfigurationError: there is no administrator to own it.
    """
    path = settings.home / CLI_KEY_FILE
    signer = TokenSigner(signing_key(settings), access_seconds=settings.security.access_token_seconds)
    if path.exists():
        try:
            await Authenticator(database, signer).authenticate(path.read_text(encoding="ascii").strip())
        except (InvalidTokenError, UnicodeDecodeError):
            pass
        else:
            return path
    async with database.pool.acquire() as connection:
        text = await _new_cli_key(connection)
    temporary = path.with_name(f".{CLI_KEY_FILE}.{uuid7().hex}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(text + "\n")
    temporary.replace(path)
    return path


async def _new_cli_key(connection: Connection) -> str:
    owner = await connection.fetchrow(sql.first_user)
    if owner is None:
        raise ConfigurationError("There is no active administrator: make one with `taskflow user create`.")
    new = make_api_key()
    await repository.insert_key(
        connection,
        owner["user_id"],
        new,
        name="command line of this machine",
        role=Role.ADMIN,
        scopes=[METRICS],
        rate_limit_per_minute=_CLI_REQUESTS_PER_MINUTE,
    )
    return new.text
