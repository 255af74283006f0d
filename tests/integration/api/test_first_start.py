"""The first administrator and the key of the command line."""

import asyncio
import stat

import pytest

from support.api import Api
from taskflow.db.pool import Database
from taskflow.identity.authenticator import Authenticator
from taskflow.identity.first_start import ensure_cli_key, ensure_first_admin
from taskflow.identity.models import Role
from taskflow.identity.tokens import TokenSigner


async def test_the_first_administrator_is_made_once_with_a_password_nobody_else_knows(
    api: Api, capfd: pytest.CaptureFixture[str]
) -> None:
    made = await asyncio.gather(*(ensure_first_admin(api.database, api.settings) for _ in range(3)))
    passwords = [password for password in made if password]
    assert len(passwords) == 1
    signed_in = await api.anonymous.post(
        "/api/v1/auth/login", json={"email": api.settings.security.admin_email, "password": passwords[0]}
    )
    assert signed_in.json()["user"]["role"] == "admin"
    assert await ensure_first_admin(api.database, api.settings) is None
    captured = capfd.readouterr()
    assert passwords[0] not in captured.out + captured.err


async def test_the_command_lines_key_works_is_private_and_is_kept(api: Api, database: Database) -> None:
    await ensure_first_admin(database, api.settings)
    api.settings.home.mkdir(parents=True)
    path = await ensure_cli_key(database, api.settings)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    text = path.read_text().strip()
    found = await Authenticator(database, api.services.get(TokenSigner)).authenticate(text)
    assert found.role is Role.ADMIN
    await ensure_cli_key(database, api.settings)
    assert path.read_text().strip() == text
    await database.pool.execute("UPDATE api_keys SET revoked_at = now()")
    await ensure_cli_key(database, api.settings)
    assert path.read_text().strip() != text
