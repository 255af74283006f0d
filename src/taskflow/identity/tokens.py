"""Tokens: short-lived access tokens (JWT), opaque refresh tokens, API keys.

Access tokens are ours alone, so their header has exactly one legal spelling (`HS256`, our `kid`). It is compared as
bytes before anything is parsed: another algorithm, another key, a `crit`, `jku` or `x5u` never reaches a verifier.
Every claim is required; the audience is one string. `ver` is the user's token version and `sid` the sign-in (the
family of refresh tokens): raising the one or revoking the other ends the token before it expires.
"""

import base64
import hashlib
import secrets
import time
from dataclasses import dataclass
from uuid import UUID

import jwt
import orjson
from pydantic import SecretStr

from taskflow.base.errors import UnauthenticatedError
from taskflow.base.signing import InvalidSignatureError, derive_key, sign, verify

ISSUER = "taskflow"
AUDIENCE = "taskflow-api"
API_KEY_MARK = "tf_"

_MAX_TOKEN_CHARS = 1024
_LEEWAY_SECONDS = 5
_REQUIRED = ["iss", "aud", "exp", "iat", "sub", "typ", "ver", "sid"]


class InvalidTokenError(UnauthenticatedError):
    """The token is not valid or has expired: sign in again."""

    code = "invalid_token"


@dataclass(frozen=True, slots=True)
class AccessClaims:
    """What a valid access token says."""

    user_id: UUID
    session_id: UUID
    token_version: int
    expires_at: float  # Unix seconds


class TokenSigner:
    """Makes and reads the tokens of one installation."""

    def __init__(self, secret_key: SecretStr, *, access_seconds: int) -> None:
        """Derive the keys; `access_seconds` is the life of an access token."""
        self._secret = secret_key.get_secret_value().encode()
        self._key = derive_key(self._secret, "access-token")
        self.access_seconds = access_seconds
        header = {"alg": "HS256", "kid": hashlib.sha256(self._key).hexdigest()[:16], "typ": "at+jwt"}
        self._headers = header
        self._header_segment = _b64(orjson.dumps(header, option=orjson.OPT_SORT_KEYS))

    def access_token(self, user_id: UUID, session_id: UUID, token_version: int) -> str:
        """Return a new access token."""
        now = int(time.time())
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": str(user_id),
            "sid": str(session_id),
            "iat": now,
            "exp": now + self.access_seconds,
            "typ": "access",
            "ver": token_version,
        }
        return jwt.encode(claims, self._key, algorithm="HS256", headers=self._headers)

    def read_access_token(self, token: str) -> AccessClaims:
        """Return the claims of a token.

        Raises:
            InvalidTokenError: it is not one of ours, was changed, or has expired.
        """
        if len(token) > _MAX_TOKEN_CHARS or not token.startswith(self._header_segment + "."):
            raise InvalidTokenError
        try:
            claims = jwt.decode(
                token,
                self._key,
                algorithms=["HS256"],
                audience=AUDIENCE,
                issuer=ISSUER,
                leeway=_LEEWAY_SECONDS,
                options={"require": _REQUIRED, "strict_aud": True},
            )
            if claims["typ"] != "access" or claims["iss"] != ISSUER or type(claims["ver"]) is not int:
                raise InvalidTokenError
            return AccessClaims(UUID(claims["sub"]), UUID(claims["sid"]), claims["ver"], float(claims["exp"]))
        except (jwt.PyJWTError, ValueError, TypeError, AttributeError) as error:
            raise InvalidTokenError from error

    def refresh_token(self, token_id: UUID) -> str:
        """Return the opaque form of a refresh token: its id, signed."""
        return sign(self._secret, "refresh-token", token_id.bytes)

    def read_refresh_token(self, token: str) -> UUID:
        """Return the id of a refresh token.

        Raises:
            InvalidTokenError: it is not one of ours.
        """
        try:
            return UUID(bytes=verify(self._secret, "refresh-token", token))
        except (InvalidSignatureError, ValueError) as error:
            raise InvalidTokenError from error


@dataclass(frozen=True, slots=True)
class NewApiKey:
    """An API key that was just made: the only time its secret is known."""

    prefix: str
    secret_hash: bytes
    text: str


def make_api_key() -> NewApiKey:
    """Return a new key `tf_<prefix>_<secret>`: the prefix finds the row, the secret has 256 random bits."""
    prefix, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
    return NewApiKey(prefix, hash_api_secret(secret), f"{API_KEY_MARK}{prefix}_{secret}")


def split_api_key(text: str) -> tuple[str, str]:
    """Return prefix and secret of a key.

    Raises:
        InvalidTokenError: it does not look like one.
    """
    mark, _, rest = text.partition("_")
    prefix, _, secret = rest.partition("_")
    if mark != "tf" or len(prefix) != 12 or not 40 <= len(secret) <= 64 or not text.isascii():
        raise InvalidTokenError
    return prefix, secret


def hash_api_secret(secret: str) -> bytes:
    """Return what is stored of a secret; it is random, so a plain SHA-256 cannot be guessed back."""
    return hashlib.sha256(secret.encode()).digest()


def _b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")
