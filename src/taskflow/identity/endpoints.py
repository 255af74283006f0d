"""Routes of sign-in, users, API keys and the audit log."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response

from taskflow.base.pagination import Page, decode_cursor, encode_cursor
from taskflow.broker.redis.broker import RedisBroker
from taskflow.db.pool import Database
from taskflow.identity.access import (
    DEFAULT_PAGE,
    AuditTrail,
    Caller,
    Cursor,
    Limit,
    Trail,
    audited,
    public,
    require,
    service,
)
from taskflow.identity.audit import AuditLog
from taskflow.identity.models import Role, User
from taskflow.identity.schemas import (
    AuditOut,
    KeyCreated,
    KeyOut,
    Me,
    NewKey,
    NewUser,
    PasswordChange,
    RefreshToken,
    SessionTokens,
    SignIn,
    Ticket,
    UserChange,
    UserOut,
)
from taskflow.identity.service import (
    IdentityService,
    RefreshReusedError,
    Session,
    WrongCredentialsError,
    WrongPasswordError,
)
from taskflow.identity.tickets import LIFE_SECONDS, TicketBooth
from taskflow.identity.tokens import TokenSigner
from taskflow.settings import Settings


async def identity_service(
    database: Annotated[Database, service(Database)],
    settings: Annotated[Settings, service(Settings)],
    signer: Annotated[TokenSigner, service(TokenSigner)],
) -> IdentityService:
    """Return the service of this request."""
    return IdentityService(database, settings.security, signer)


Identity = Annotated[IdentityService, Depends(identity_service)]

auth = APIRouter(prefix="/auth", tags=["auth"])
users = APIRouter(prefix="/users", tags=["users"], dependencies=[require(Role.ADMIN)])
api_keys = APIRouter(prefix="/api-keys", tags=["api-keys"], dependencies=[require(Role.VIEWER)])
audit_log = APIRouter(prefix="/audit-log", tags=["audit-log"], dependencies=[require(Role.ADMIN)])


@auth.post("/login", dependencies=[public(), audited("auth.login")])
async def sign_in(body: SignIn, request: Request, identity: Identity, trail: Trail) -> SessionTokens:
    """Sign in with address and password."""
    try:
        session = await identity.sign_in(body.email, body.password, request.state.address)
    except WrongCredentialsError as error:
        _note_attempt(error.user, trail, "auth.login_failed")
        raise
    return _tokens(session, trail)


@auth.post("/refresh", dependencies=[public(), audited("auth.refresh")])
async def refresh(body: RefreshToken, identity: Identity, trail: Trail) -> SessionTokens:
    """Trade a refresh token for new tokens; each works once, a second use ends the session."""
    try:
        session = await identity.refresh(body.refresh_token)
    except RefreshReusedError as error:
        trail.actor(error.user.user_id, error.user.email)
        trail.target(error.user.user_id, session_id=str(error.session_id))
        trail.changed("auth.refresh_reused")
        raise
    trail.nothing_changed()  # a session goes on, every quarter of an hour: its sign-in has a row
    return _tokens(session, trail)


@auth.post("/logout", status_code=204, dependencies=[public(), audited("auth.logout")])
async def sign_out(body: RefreshToken, identity: Identity, trail: Trail) -> Response:
    """End the session that a refresh token belongs to."""
    user = await identity.sign_out(body.refresh_token)
    if user is None:
        trail.nothing_changed()
    else:
        trail.actor(user.user_id, user.email)
    return Response(status_code=204)


@auth.get("/me", dependencies=[require(Role.VIEWER)])
async def me(caller: Caller) -> Me:
    """Tell who is calling."""
    return Me.model_validate(caller)


@auth.post("/password", dependencies=[require(Role.VIEWER), audited("auth.password")])
async def change_password(
    body: PasswordChange, request: Request, caller: Caller, identity: Identity, trail: Trail
) -> SessionTokens:
    """Change your own password; your sessions end, and the answer opens a new one."""
    address = request.state.address
    try:
        session = await identity.change_password(caller, body.current_password, body.new_password, address)
    except WrongPasswordError as error:
        _note_attempt(error.user, trail, "auth.password_failed")
        raise
    return _tokens(session, trail)


@auth.post("/ws-ticket", dependencies=[require(Role.VIEWER), audited("auth.ws_ticket")])
async def ws_ticket(caller: Caller, broker: Annotated[RedisBroker, service(RedisBroker)], trail: Trail) -> Ticket:
    """Get a ticket that opens one WebSocket within 30 seconds."""
    trail.nothing_changed()
    return Ticket(ticket=await TicketBooth(broker).issue(caller), expires_in=LIFE_SECONDS)


@users.get("")
async def list_users(identity: Identity, limit: Limit = DEFAULT_PAGE, cursor: Cursor = None) -> Page[UserOut]:
    """List users, newest first."""
    found = await identity.list_users(_before(cursor), limit + 1)
    return _page([UserOut.model_validate(user) for user in found], limit, "user_id")


@users.post("", status_code=201, dependencies=[audited("user.create")])
async def create_user(body: NewUser, identity: Identity, trail: Trail) -> UserOut:
    """Add a user."""
    user = await identity.create_user(body.email, body.password, body.role)
    trail.target(user.user_id, email=user.email, role=user.role)
    return UserOut.model_validate(user)


@users.get("/{user_id}")
async def get_user(user_id: UUID, identity: Identity) -> UserOut:
    """Get a user."""
    return UserOut.model_validate(await identity.get_user(user_id))


@users.patch("/{user_id}", dependencies=[audited("user.update", target="user_id")])
async def update_user(user_id: UUID, body: UserChange, identity: Identity, trail: Trail) -> UserOut:
    """Change role, password or activity of a user; their sessions end."""
    user = await identity.update_user(user_id, role=body.role, is_active=body.is_active, password=body.password)
    trail.target(user_id, changed=sorted(body.model_fields_set), role=user.role, is_active=user.is_active)
    return UserOut.model_validate(user)


@api_keys.get("")
async def list_keys(
    caller: Caller, identity: Identity, limit: Limit = DEFAULT_PAGE, cursor: Cursor = None
) -> Page[KeyOut]:
    """List your API keys, newest first; an administrator sees everybody's."""
    found = await identity.list_keys(caller, _before(cursor), limit + 1)
    return _page([KeyOut.model_validate(key) for key in found], limit, "key_id")


@api_keys.post("", status_code=201, dependencies=[audited("api_key.create")])
async def create_key(body: NewKey, caller: Caller, identity: Identity, trail: Trail) -> KeyCreated:
    """Make an API key; its text is shown this once."""
    key, text = await identity.create_key(
        caller,
        name=body.name,
        role=body.role,
        scopes=list(body.scopes),
        from_domains=body.from_domains,
        rate_limit_per_minute=body.rate_limit_per_minute,
        expires_at=body.expires_at,
    )
    trail.target(key.key_id, name=key.name, role=key.role, scopes=key.scopes)
    return KeyCreated(**KeyOut.model_validate(key).model_dump(), key=text)


@api_keys.delete("/{key_id}", status_code=204, dependencies=[audited("api_key.revoke", target="key_id")])
async def revoke_key(key_id: UUID, caller: Caller, identity: Identity) -> Response:
    """Revoke an API key."""
    await identity.revoke_key(caller, key_id)
    return Response(status_code=204)


@audit_log.get("")
async def list_audit_log(
    log: Annotated[AuditLog, service(AuditLog)],
    actor_id: UUID | None = None,
    action: Annotated[str | None, Query(max_length=100, pattern=r"^[^\x00]*$")] = None,
    target_id: Annotated[str | None, Query(max_length=200, pattern=r"^[^\x00]*$")] = None,
    limit: Limit = DEFAULT_PAGE,
    cursor: Cursor = None,
) -> Page[AuditOut]:
    """List who did what, newest first."""
    found = await log.page(
        before=_before(cursor), limit=limit + 1, actor_id=actor_id, action=action, target_id=target_id
    )
    return _page([AuditOut.model_validate(row) for row in found], limit, "audit_id")


def _note_attempt(user: User | None, trail: AuditTrail, action: str) -> None:
    """Keep that somebody knew no password; of an unknown address only that: it may be a password in the wrong field."""
    trail.changed(action)
    if user is None:
        trail.entry.detail["account"] = "unknown"
    else:
        trail.target(user.user_id, email=user.email, is_active=user.is_active)


def _tokens(session: Session, trail: Trail) -> SessionTokens:
    trail.actor(session.user.user_id, session.user.email)
    trail.target(session.user.user_id)
    return SessionTokens(
        access_token=session.access_token,
        refresh_token=session.refresh_token,
        expires_in=session.expires_in,
        user=Me.model_validate(session.user),
    )


def _before(cursor: str | None) -> UUID | None:
    return decode_cursor(cursor, UUID)[0] if cursor else None


def _page(items: list[Any], limit: int, key: str) -> Page[Any]:
    more = len(items) > limit
    items = items[:limit]
    return Page(items=items, next_cursor=encode_cursor(getattr(items[-1], key)) if more else None)
