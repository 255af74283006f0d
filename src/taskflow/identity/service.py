"""Decisions about users, sessions and API keys.

A session is a family of refresh tokens that descends from one sign-in. Each refresh token works once; a second use
means that two parties hold it, so the whole family is revoked, and with it the access tokens that name it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from taskflow.base.errors import ConflictError, ForbiddenError, InvalidInputError, NotFoundError, UnauthenticatedError
from taskflow.base.ids import uuid7
from taskflow.base.logging import get_logger
from taskflow.db.pool import Database
from taskflow.identity import passwords, repository
from taskflow.identity.models import SEND, ApiKey, Principal, Role, User
from taskflow.identity.signin import SignInGuard
from taskflow.identity.tokens import InvalidTokenError, TokenSigner, make_api_key
from taskflow.settings.security import SecuritySettings

log = get_logger(__name__)
sql = repository.sql


class WrongCredentialsError(UnauthenticatedError):
    """The address or the password is wrong."""

    code = "wrong_credentials"

    def __init__(self, user: User | None) -> None:
        """Keep whose account it was, for the audit log; the answer is the same for all."""
        super().__init__()
        self.user = user


class EmailTakenError(ConflictError):
    """A user with this address exists."""

    code = "email_taken"


class LastAdminError(ConflictError):
    """The last active administrator has to stay one."""

    code = "last_admin"


class WeakPasswordError(InvalidInputError):
    """The password is too short, too long, or contains the address."""

    code = "weak_password"


class WrongPasswordError(InvalidInputError):
    """The present password is another one."""

    code = "wrong_password"

    def __init__(self, user: User | None) -> None:
        """Keep whose account it is, for the audit log."""
        super().__init__()
        self.user = user


class RefreshReusedError(InvalidTokenError):
    """The token is not valid or has expired: sign in again.

    It was used before, so its session has been ended. The answer does not say so, the audit log does.
    """

    def __init__(self, user: User, session_id: UUID) -> None:
        """Keep whose session was ended, out of what is answered."""
        super().__init__()
        self.user = user
        self.session_id = session_id


@dataclass(frozen=True, slots=True)
class Session:
    """A fresh pair of tokens and whose they are."""

    user: User
    access_token: str
    refresh_token: str
    expires_in: int  # seconds


class IdentityService:
    """Users, sessions and API keys of one installation."""

    def __init__(self, database: Database, settings: SecuritySettings, signer: TokenSigner) -> None:
        """Take the pools, the limits and the signer."""
        self._pool = database.pool
        self._settings = settings
        self._signer = signer
        self._guard = SignInGuard(database.pool, attempts=settings.sign_in_attempts)

    # ── sessions ──

    async def sign_in(self, email: str, password: str, address: str) -> Session:
        """Check a password and open a session.

        Raises:
            WrongCredentialsError: unknown address, wrong password, or deactivated; all three look and last the same.
            SignInLockedError: too many attempts.
        """
        user, stored = await self._recognise(email, password, address)
        if passwords.needs_rehash(stored):
            await self._pool.execute(sql.replace_hash, user.user_id, stored, await passwords.hash_password(password))
        await self._pool.execute(sql.touch_login, user.user_id)
        await self._pool.execute(sql.prune_refresh_tokens, user.user_id)
        return await self._issue(user, uuid7())

    async def refresh(self, refresh_token: str) -> Session:
        """Trade a refresh token for a new pair.

        Raises:
            InvalidTokenError: unknown, expired or revoked.
            RefreshReusedError: used before; its family has been revoked.
        """
        token_id = self._signer.read_refresh_token(refresh_token)
        row = await self._pool.fetchrow(sql.use_refresh_token, token_id)
        if row is None:
            await self._suspect(token_id)
            raise InvalidTokenError
        return await self._issue(repository.to_user(row), row["family_id"])

    async def sign_out(self, refresh_token: str) -> User | None:
        """End the session of a refresh token; a token that means nothing ends nothing."""
        try:
            token_id = self._signer.read_refresh_token(refresh_token)
        except InvalidTokenError:
            return None
        state = await self._pool.fetchrow(sql.refresh_token_state, token_id)
        if state is None:
            return None
        await self._pool.execute(sql.revoke_family, state["family_id"])
        return await repository.get_user(self._pool, state["user_id"])

    async def change_password(self, caller: Principal, current: str, new: str, address: str) -> Session:
        """Let somebody who knows their password choose another; all their sessions end, and a new one opens.

        Raises:
            WrongPasswordError: `current` is not their password.
            WeakPasswordError: the new one is no good one.
            SignInLockedError: too many attempts.
            ForbiddenError: the caller is an API key.
        """
        if caller.key_id is not None:
            raise ForbiddenError("An API key cannot change its owner's password: sign in.")
        check_password(new, caller.email)
        try:
            user, _ = await self._recognise(caller.email, current, address)
        except WrongCredentialsError as error:  # whose 401 would say that the session is over
            raise WrongPasswordError(error.user) from error
        changed = await self.update_user(user.user_id, role=None, is_active=None, password=new)
        return await self._issue(changed, uuid7())

    async def _recognise(self, email: str, password: str, address: str) -> tuple[User, str]:
        """Return the user whose address and password these are, and the stored hash."""
        await self._guard.admit(email, address)
        found = await repository.find_credentials(self._pool, email)
        user, stored = found or (None, None)
        matches = await passwords.verify_password(stored, password)
        if user is None or stored is None or not matches or not user.is_active:
            raise WrongCredentialsError(user)
        await self._guard.forgive(email, address)
        return user, stored

    async def _issue(self, user: User, family_id: UUID) -> Session:
        token_id = uuid7()
        await self._pool.execute(
            sql.insert_refresh_token, token_id, family_id, user.user_id, float(self._settings.refresh_token_seconds)
        )
        return Session(
            user,
            self._signer.access_token(user.user_id, family_id, user.token_version),
            self._signer.refresh_token(token_id),
            self._signer.access_seconds,
        )

    async def _suspect(self, token_id: UUID) -> None:
        state = await self._pool.fetchrow(sql.refresh_token_state, token_id)
        if state is None or not state["used"]:
            return
        revoked = await self._pool.execute(sql.revoke_family, state["family_id"])
        log.warning("refresh_reused", user_id=str(state["user_id"]), session_id=str(state["family_id"]))
        user = await repository.get_user(self._pool, state["user_id"])
        if user is not None and not revoked.endswith(" 0"):
            raise RefreshReusedError(user, state["family_id"])

    # ── users ──

    async def create_user(self, email: str, password: str, role: Role) -> User:
        """Add a user.

        Raises:
            EmailTakenError, WeakPasswordError: as they say.
        """
        check_password(password, email)
        user = await repository.insert_user(self._pool, email, await passwords.hash_password(password), role)
        if user is None:
            raise EmailTakenError
        return user

    async def get_user(self, user_id: UUID) -> User:
        """Return a user, or raise NotFoundError."""
        user = await repository.get_user(self._pool, user_id)
        if user is None:
            raise NotFoundError("There is no user with this id.")
        return user

    async def list_users(self, before: UUID | None, limit: int) -> list[User]:
        """Return users, newest first."""
        return await repository.list_users(self._pool, before, limit)

    async def update_user(
        self, user_id: UUID, *, role: Role | None, is_active: bool | None, password: str | None
    ) -> User:
        """Change a user; their sessions end.

        Raises:
            LastAdminError: nobody could administer any more.
        """
        present = await self.get_user(user_id)
        hashed = None
        if password is not None:
            check_password(password, present.email)
            hashed = await passwords.hash_password(password)
        loses_admin = (role is not None and role is not Role.ADMIN) or is_active is False
        async with self._pool.acquire() as connection, connection.transaction():
            if loses_admin:
                admins = {row["user_id"] for row in await connection.fetch(sql.lock_admins)}
                if admins == {user_id}:
                    raise LastAdminError
            row = await connection.fetchrow(sql.update_user, user_id, role.value if role else None, is_active, hashed)
            if row is None:
                raise NotFoundError("There is no user with this id.")
            await connection.execute(sql.revoke_user_sessions, user_id)
            return repository.to_user(row)

    # ── API keys ──

    async def create_key(
        self,
        caller: Principal,
        *,
        name: str,
        role: Role,
        scopes: list[str],
        from_domains: Sequence[str] = (),
        rate_limit_per_minute: int | None = None,
        expires_at: datetime | None = None,
    ) -> tuple[ApiKey, str]:
        """Make a key for the caller; return it and its text, which is not kept.

        Raises:
            ForbiddenError: the key would be able to do more than its maker, or for longer.
        """
        if not caller.role.allows(role):
            raise ForbiddenError("A key cannot have a higher role than its owner.")
        widens = not {SEND}.issuperset(scopes) or rate_limit_per_minute is not None
        if widens and caller.role is not Role.ADMIN:
            raise ForbiddenError(f"Scopes of keys, but {SEND}, and their rate limits are an administrator's.")
        if caller.key_id is not None:  # else whoever gets hold of a key could keep what it opens for ever
            own = await self._pool.fetchrow(sql.get_key, caller.key_id)
            end = own["expires_at"] if own is not None else None
            if end is not None and (expires_at is None or expires_at > end):
                raise ForbiddenError(f"This key expires at {end.isoformat()}; one that it makes has to by then.")
        new = make_api_key()
        key = await repository.insert_key(
            self._pool,
            caller.user_id,
            new,
            name=name,
            role=role,
            scopes=sorted(set(scopes)),
            from_domains=sorted(set(from_domains)),
            rate_limit_per_minute=rate_limit_per_minute,
            expires_at=expires_at,
        )
        return key, new.text

    async def list_keys(self, caller: Principal, before: UUID | None, limit: int) -> list[ApiKey]:
        """Return the caller's keys, newest first; an administrator sees everybody's."""
        owner = None if caller.role is Role.ADMIN else caller.user_id
        return await repository.list_keys(self._pool, owner, before, limit)

    async def revoke_key(self, caller: Principal, key_id: UUID) -> None:
        """Revoke a key of the caller's, or anybody's for an administrator; again is fine.

        Raises:
            NotFoundError: no such key that the caller may see.
            ForbiddenError: the caller is a key itself, and this one may do more.
        """
        owner = None if caller.role is Role.ADMIN else caller.user_id
        if caller.key_id is not None:
            found = await self._pool.fetchrow(sql.get_key, key_id)
            if found is not None and found["user_id"] == caller.user_id and not caller.role.allows(Role(found["role"])):
                raise ForbiddenError("A key cannot revoke one that may do more.")
        if await self._pool.fetchval(sql.revoke_key, key_id, owner) is None:
            raise NotFoundError("There is no API key with this id.")


def check_password(password: str, email: str) -> None:
    """Refuse passwords that are short, long, or the address itself.

    Raises:
        WeakPasswordError: says which.
    """
    if not passwords.MIN_LENGTH <= len(password) <= passwords.MAX_LENGTH:
        raise WeakPasswordError(f"Use {passwords.MIN_LENGTH} to {passwords.MAX_LENGTH} characters.")
    if password.casefold() in (email.casefold(), email.partition("@")[0].casefold()):
        raise WeakPasswordError("The password must not be the address.")
