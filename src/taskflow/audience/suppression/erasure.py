"""What an erasure leaves of an address: enough to recognise it, too little to read it."""

import hashlib
import hmac

from pydantic import SecretStr

from taskflow.base.signing import derive_key

ERASED_PREFIX = "hmac:"
_PURPOSE = "erased-address"


class ErasureKey:
    """Recognises the addresses of people who were erased: an HMAC under a key of this system, derived for nothing else.

    Another `TASKFLOW_SECRET_KEY` recognises none of them.
    """

    def __init__(self, secret: SecretStr) -> None:
        """Derive the key from `TASKFLOW_SECRET_KEY`."""
        self._key = derive_key(secret.get_secret_value().encode(), _PURPOSE)

    def of(self, address: str) -> str:
        """Return what stands in `suppressions` for an erased address or phone number, whatever its case."""
        return ERASED_PREFIX + hmac.digest(self._key, address.lower().encode(), hashlib.sha256).hex()
