"""Links that confirm: signed, so that nobody can make or change one, and without an address in them."""

from uuid import UUID

from taskflow.base.signing import InvalidSignatureError, sign, verify

_CONFIRM = "confirm"
_ID_BYTES = 16


class ConfirmationLinks:
    """Makes and reads the links of double opt-ins: they name the request, and prove the address that it went to."""

    def __init__(self, secret: bytes, url: str) -> None:
        """`url`: what the links start with."""
        self._secret = secret
        self._url = f"{url}/confirm/"

    def of(self, request_id: UUID, tag: bytes) -> str:
        """Return the link of one request to one address (`ConfirmationRequest.tag`)."""
        return self._url + sign(self._secret, _CONFIRM, request_id.bytes + tag)

    def read(self, token: str) -> tuple[UUID, bytes]:
        """Return the request and the tag of a link's token.

        Raises:
            InvalidSignatureError: we did not make it.
        """
        payload = verify(self._secret, _CONFIRM, token)
        if len(payload) <= _ID_BYTES:
            raise InvalidSignatureError
        return UUID(bytes=payload[:_ID_BYTES]), payload[_ID_BYTES:]
