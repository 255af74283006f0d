"""Whom we believe: Twilio by its signature, the others by an address that only they were told.

    POST /hooks/sms/twilio      X-Twilio-Signature, under the token of an account (`tokens`)
    POST /hooks/sms/<token>     the token is signed under TASKFLOW_SECRET_KEY and says whose it is: a kind's, or, where
                                settings say how to read (`Kind.read_hook`), one provider's

Everything is compared in constant time, and whoever is refused hears the same sentence, whatever was wrong.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final
from uuid import UUID

from pydantic import SecretStr

from taskflow.base.errors import ForbiddenError
from taskflow.base.signing import InvalidSignatureError, sign, verify
from taskflow.delivery.providers.sms.bulksms import hooks as bulksms
from taskflow.delivery.providers.sms.fast2sms import hooks as fast2sms
from taskflow.delivery.providers.sms.hooks import PATH, Told
from taskflow.delivery.providers.sms.reading import form_of
from taskflow.delivery.providers.sms.twilio import hooks as twilio
from taskflow.identity.secret_key import signing_key
from taskflow.settings import Settings

TWILIO: Final = "twilio"
_PURPOSE: Final = "sms-hook"
_OF_PROVIDER: Final = "sms-provider-hook"
_READERS: Final[Mapping[str, Callable[[bytes], list[Told]]]] = {"bulksms": bulksms.read, "fast2sms": fast2sms.read}


class HookRefusedError(ForbiddenError):
    """Refused."""


class SmsHooks:
    """Knows the addresses, and reads what is posted to them."""

    def __init__(self, settings: Settings) -> None:
        """Take the secret key, and how this server is reached."""
        self._secret = signing_key(settings).get_secret_value().encode()
        self._url = settings.http.base_url + PATH

    def addresses(self) -> dict[str, str]:
        """Return where each kind of provider is to post; but for Twilio's, they are secret."""
        return {kind: self._url + self.token_of(kind) for kind in _READERS} | {TWILIO: self._url + TWILIO}

    def token_of(self, kind: str) -> str:
        """Return what stands in the address of a kind."""
        return sign(self._secret, _PURPOSE, kind.encode())

    def address_of(self, provider_id: UUID) -> str:
        """Return where one provider is to post."""
        return self._url + sign(self._secret, _OF_PROVIDER, provider_id.bytes)

    def provider_of(self, which: str) -> UUID | None:
        """Return which provider's token this is; None: no provider's."""
        try:
            return UUID(bytes=verify(self._secret, _OF_PROVIDER, which))
        except (InvalidSignatureError, ValueError):
            return None

    def read(
        self, which: str, query: str, signature: str | None, body: bytes, tokens: Sequence[SecretStr] = ()
    ) -> tuple[str, list[Told]]:
        """Return the kind of provider that posted something, and what it tells; `tokens`: Twilio's.

        Raises:
            HookRefusedError: it is not what it seems.
        """
        if which == TWILIO:
            form = form_of(body)
            url = self._url + TWILIO + (f"?{query}" if query else "")
            if form is None or signature is None or not twilio.is_signed(tokens, url, form, signature):
                raise HookRefusedError
            return TWILIO, twilio.read(form)
        try:
            kind = verify(self._secret, _PURPOSE, which).decode()
        except (InvalidSignatureError, UnicodeError) as error:
            raise HookRefusedError from error
        return kind, _READERS[kind](body)
