"""Access tokens for XOAUTH2: a refresh token is turned into a short-lived one (RFC 6749, section 6), once for all."""

import asyncio
import time
from urllib.parse import urlencode

from taskflow.delivery.outcome import Cause
from taskflow.delivery.providers.http import CallFailedError, HttpClient, Request
from taskflow.delivery.smtp.connection import ProviderFaultError

_EARLY = 60.0  # a token is replaced so many seconds before it expires
_LIFE = 300.0  # of a token that does not say
_MOST_LIFE = 86_400.0
_REFUSED = (400, 401)  # RFC 6749, section 5.2: the refresh token or the application is not valid


class OAuthTokens:
    """The tokens of one account."""

    def __init__(
        self, client: HttpClient, url: str, *, client_id: str, client_secret: str | None, refresh_token: str
    ) -> None:
        """Ask for tokens at `url`."""
        self._client = client
        self._url = url
        self._hide = [secret for secret in (client_secret, refresh_token) if secret]
        form = {"grant_type": "refresh_token", "client_id": client_id, "refresh_token": refresh_token}
        self._form = urlencode(form | ({"client_secret": client_secret} if client_secret else {})).encode()
        self._lock = asyncio.Lock()
        self._token: str | None = None
        self._until = 0.0

    async def token(self) -> str:
        """Return a token that is valid for a while.

        Raises:
            ProviderFaultError: none can be had.
        """
        async with self._lock:
            if self._token is None or time.monotonic() >= self._until:
                await self._renew()
            return self._token or ""

    def forget(self) -> None:
        """Ask for another one next time."""
        self._token = None

    async def _renew(self) -> None:
        request = Request(
            "POST", self._url, {"content-type": "application/x-www-form-urlencoded"}, self._form, self._hide
        )
        try:
            answer = await self._client.call(request)
        except CallFailedError as error:
            raise ProviderFaultError("AUTH", f"No access token from {self._url}: {error}") from error
        token, life = answer.json.get("access_token"), answer.json.get("expires_in")
        if answer.code != 200 or not isinstance(token, str) or not token or not token.isprintable():
            said = f"HTTP {answer.code} {answer.json.get('error', '')}".strip()  # never the body: it may hold a token
            cause = Cause.CREDENTIALS if answer.code in _REFUSED else None
            raise ProviderFaultError("AUTH", f"No access token from {self._url}: {said}.", cause=cause)
        seconds = float(life) if isinstance(life, int | float) and 0 < life < _MOST_LIFE else _LIFE
        self._token, self._until = token, time.monotonic() + max(seconds - _EARLY, seconds / 2)
