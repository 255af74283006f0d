"""What is kept of an address that must be forgotten: a keyed hash, so that it is known again when somebody brings it.

It stands in `suppressions.address` with the reason `erased`. Without `TASKFLOW_SECRET_KEY` it tells nothing.
"""

import base64
import hashlib
import hmac
from typing import Final

from taskflow.base.signing import derive_key

PREFIX: Final = "hmac:"
_PURPOSE: Final = "erased-address"


class AddressSeal:
    """Seals addresses and phone numbers under the key of an installation."""

    def __init__(self, secret: bytes) -> None:
        """Take `TASKFLOW_SECRET_KEY`."""
        self._key = derive_key(secret, _PURPOSE)

    def __call__(self, address: str) -> str:
        """Return the seal of an e-mail address (whatever its case) or a phone number in E.164."""
        digest = hmac.digest(self._key, address.lower().encode(), hashlib.sha256)
        return PREFIX + base64.urlsafe_b64encode(digest).decode().rstrip("=")
