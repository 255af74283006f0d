"""Unsubscribe links in mails: signed, so that nobody can make or change one, and without an address in them."""

from uuid import UUID

from taskflow.base.signing import InvalidSignatureError, sign, verify

_PURPOSE = "unsubscribe"
_ID_BYTES = 16


class UnsubscribeLinks:
    """Makes and reads unsubscribe links."""

    def __init__(self, secret: bytes, url: str) -> None:
        """`url`: what the links start with."""
        self._secret = secret
        self._url = f"{url}/unsubscribe/"

    def of(self, call_id: UUID, recipient_id: UUID) -> str:
        """Return the link of one recipient of one campaign, or of one message of one submission."""
        return self._url + sign(self._secret, _PURPOSE, call_id.bytes + recipient_id.bytes)

    def read(self, token: str) -> tuple[UUID, UUID]:
        """Return the two ids of a link's token.

        Raises:
            InvalidSignatureError: we did not make it.
        """
        payload = verify(self._secret, _PURPOSE, token)
        if len(payload) != 2 * _ID_BYTES:
            raise InvalidSignatureError
        return UUID(bytes=payload[:_ID_BYTES]), UUID(bytes=payload[_ID_BYTES:])
