"""AWS Signature Version 4: the headers that prove a request to S3, and to whatever speaks like it.

https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import quote, urlsplit

_ALGORITHM = "AWS4-HMAC-SHA256"


@dataclass(frozen=True, slots=True)
class Credentials:
    """Whose request it is, and for which region of which service."""

    access_key: str
    secret_key: str = field(repr=False)
    region: str
    service: str = "s3"


def signed_headers(
    credentials: Credentials, method: str, url: str, headers: Mapping[str, str], body: bytes, now: datetime
) -> dict[str, str]:
    """Return `headers` with host, date, the body's hash and the signature; names in lower case.

    `url` has no query, and its path is written as `path_of` does. `now` is UTC.
    """
    parts = urlsplit(url)
    stamp = now.strftime("%Y%m%dT%H%M%SZ")
    sent = {name.lower(): " ".join(value.split()) for name, value in headers.items()} | {
        "host": parts.netloc,
        "x-amz-content-sha256": hashlib.sha256(body).hexdigest(),
        "x-amz-date": stamp,
    }
    names = ";".join(sorted(sent))
    canonical = "\n".join(
        (method, parts.path or "/", "", *(f"{name}:{sent[name]}" for name in sorted(sent)), "", names,
         sent["x-amz-content-sha256"])
    )  # fmt: skip
    scope = f"{stamp[:8]}/{credentials.region}/{credentials.service}/aws4_request"
    text = "\n".join((_ALGORITHM, stamp, scope, hashlib.sha256(canonical.encode()).hexdigest()))
    signature = hmac.new(_key(credentials, stamp[:8]), text.encode(), hashlib.sha256).hexdigest()
    sent["authorization"] = (
        f"{_ALGORITHM} Credential={credentials.access_key}/{scope}, SignedHeaders={names}, Signature={signature}"
    )
    return sent


def path_of(*parts: str) -> str:
    """Return a path as it is signed and sent: every byte but the plain ones in percent form."""
    return "/" + "/".join(quote(part, safe="/-._~") for part in parts)


def _key(credentials: Credentials, day: str) -> bytes:
    key = f"AWS4{credentials.secret_key}".encode()
    for part in (day, credentials.region, credentials.service, "aws4_request"):
        key = hmac.digest(key, part.encode(), hashlib.sha256)
    return key
