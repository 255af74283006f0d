"""What crosses HTTP about users, sessions, API keys and the audit log."""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictBool, StringConstraints, model_validator

from taskflow.base.bodies import Body, Instant
from taskflow.identity.models import SEND, Role, Scope
from taskflow.identity.passwords import MAX_LENGTH, MIN_LENGTH

Email = Annotated[
    str,
    StringConstraints(strip_whitespace=True, max_length=254, pattern=r"^[^@\s\x00-\x1f\x7f]+@[^@\s\x00-\x1f\x7f]+$"),
    Field(description="An address; upper and lower case are the same.", examples=["ada@example.com"]),
]
Password = Annotated[str, Field(min_length=1, max_length=MAX_LENGTH, json_schema_extra={"format": "password"})]
NewPassword = Annotated[Password, Field(min_length=MIN_LENGTH)]
Name = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]+$")
]


FromDomain = Annotated[
    str,
    StringConstraints(
        strip_whitespace=True,
        to_lower=True,
        max_length=253,
        pattern=r"^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)+$",
    ),
    Field(examples=["example.com"]),
]


def _still_to_come(instant: datetime) -> datetime:
    if instant <= datetime.now(UTC):
        raise ValueError("lies in the past")
    return instant


class Output(BaseModel):
    """A response body, read from a dataclass."""

    model_config = ConfigDict(from_attributes=True)


class SignIn(Body):
    """Address and password."""

    email: Annotated[str, Field(min_length=1, max_length=254, pattern=r"^[^\x00]*$")]
    password: Password


class PasswordChange(Body):
    """The password as it is, and as it is to be."""

    current_password: Password
    new_password: NewPassword


class RefreshToken(Body):
    """A refresh token."""

    refresh_token: Annotated[str, Field(min_length=1, max_length=500)]


class Me(Output):
    """The signed-in user."""

    user_id: UUID
    email: str
    role: Role


class SessionTokens(BaseModel):
    """A pair of tokens. Send the access token as `Authorization: Bearer …`; keep the refresh token for its end."""

    access_token: str
    refresh_token: str
    token_type: Literal["bearer"] = "bearer"  # noqa: S105 - a kind of token, not one
    expires_in: int = Field(description="Seconds until the access token expires.")
    user: Me


class Ticket(BaseModel):
    """A one-use ticket for `/api/v1/ws?ticket=…`."""

    ticket: str
    expires_in: int = Field(description="Seconds.")


class UserOut(Me):
    """A user."""

    is_active: bool
    created_at: datetime
    last_login_at: datetime | None


class NewUser(Body):
    """A user to add."""

    email: Email
    password: NewPassword
    role: Role = Role.VIEWER


class UserChange(Body):
    """What to change about a user; their sessions end."""

    role: Role | None = None
    is_active: StrictBool | None = None
    password: NewPassword | None = None


class NewKey(Body):
    """An API key to make for yourself."""

    name: Name
    role: Role = Field(Role.VIEWER, description="With messages:send, marketer unless you say more.")
    scopes: list[Scope] = Field(
        [],
        max_length=10,
        description="metrics: may read /metrics. messages:send: may send messages, over HTTP and SMTP, and see its own:"
        " nothing else.",
    )
    from_domains: list[FromDomain] = Field(
        [], max_length=100, description="With messages:send: mail from these domains and theirs only, and no texts."
    )
    rate_limit_per_minute: int | None = Field(None, ge=1, le=1_000_000, description="Instead of its owner's limit.")
    expires_at: Annotated[Instant, AfterValidator(_still_to_come)] | None = None

    @model_validator(mode="after")
    def check_scope(self) -> Self:
        """Give a key that sends the role that sending needs, and demand that domains limit something."""
        if SEND in self.scopes and "role" not in self.model_fields_set:
            self.role = Role.MARKETER
        if SEND in self.scopes and not self.role.allows(Role.MARKETER):
            raise ValueError(f"{SEND} needs the role marketer: leave role out")
        if self.from_domains and SEND not in self.scopes:
            raise ValueError(f"from_domains is for keys with the scope {SEND}: others could send campaigns")
        return self


class KeyOut(Output):
    """An API key without its secret."""

    key_id: UUID
    user_id: UUID
    name: str
    prefix: str
    role: Role
    scopes: list[str]
    from_domains: list[str] = Field(description="Mail from these domains and their subdomains only; empty: from any.")
    rate_limit_per_minute: int | None
    created_at: datetime
    last_used_at: datetime | None
    expires_at: datetime | None
    revoked_at: datetime | None


class KeyCreated(KeyOut):
    """A key that was just made: the only answer that ever holds its text."""

    key: str = Field(description="Send it as `Authorization: Bearer tf_…`.")


class AuditOut(Output):
    """One entry of the audit log."""

    audit_id: UUID
    actor_id: UUID | None
    actor: str
    action: str
    target_type: str | None
    target_id: str | None
    request_id: str | None
    address: str | None
    detail: dict[str, Any] | None
    created_at: datetime
