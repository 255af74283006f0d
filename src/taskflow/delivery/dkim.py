"""DKIM signatures (RFC 6376; Ed25519: RFC 8463), relaxed/relaxed, as fast as the primitives allow.

What all messages of a letter share is put into canonical form and hashed once (`Signer.over`); each message then
costs its own fields, its body and one signature a key. Two keys sign the same body hash side by side: receivers that do
not know Ed25519 yet take the RSA one.

    signing = Signer("example.org", keys).over([b"From: news@example.org", b"MIME-Version: 1.0"])
    head = signing.sign([b"To: ann@example.com", …], body, at=time.time())

`From` is named once more than it is there ("oversigned"): a second one, added on the way, breaks the signature.
"""

import base64
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

_WSP = re.compile(rb"[ \t]+")
_LINE = 72  # characters of a signature on one line
_NAMES_LINE = 66
_PREHASHED = Prehashed(hashes.SHA256())
_PKCS1 = padding.PKCS1v15()


class Algorithm(StrEnum):
    """How a key signs (`a=`)."""

    RSA = "rsa-sha256"
    ED25519 = "ed25519-sha256"


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key and the name in the zone under which its public half stands."""

    selector: str
    algorithm: Algorithm
    private: RSAPrivateKey | Ed25519PrivateKey

    def sign(self, digest: bytes) -> bytes:
        """Sign the SHA-256 of the fields."""
        if isinstance(self.private, Ed25519PrivateKey):
            return self.private.sign(digest)
        return self.private.sign(digest, _PKCS1, _PREHASHED)


@dataclass(frozen=True, slots=True)
class Signer:
    """Whose signature it is (`d=`), and the keys that sign, each for itself."""

    domain: str
    keys: tuple[SigningKey, ...]

    def over(self, fields: Sequence[bytes]) -> "Signing":
        """Prepare for messages that all have these fields, `From` among them."""
        return Signing(self, fields)


class Signing:
    """Signs messages that share some fields."""

    def __init__(self, signer: Signer, fields: Sequence[bytes]) -> None:
        """Hash what is shared."""
        self._signer = signer
        self._shared = hashlib.sha256(b"".join(map(relaxed_field, fields)))
        self._names = (b"From", *map(_name, fields))
        self._forms: dict[tuple[bytes, ...], list[_Form]] = {}

    def sign(self, fields: Sequence[bytes], body: bytes, at: float) -> bytes:
        """Return one DKIM-Signature field a key, each with its CRLF; they stand before all other fields.

        Args:
            fields: those of this message that are to be covered and are not shared, `Name: value`, perhaps folded.
            body: what follows the empty line, in relaxed form (`relaxed_body`).
            at: Unix seconds, told as `t=`.
        """
        hashed = self._shared.copy()
        hashed.update(b"".join(map(relaxed_field, fields)))
        names = tuple(map(_name, fields))
        forms = self._forms.get(names)
        if forms is None:
            named = _folded([*self._names, *names])
            forms = self._forms[names] = [_Form(key, self._signer.domain, named) for key in self._signer.keys]
        digest = base64.b64encode(hashlib.sha256(body).digest())
        return b"".join(form.signed(hashed.copy(), digest, int(at)) for form in forms)


class _Form:
    """The field of one key: all but the time, the hash of the body, and the signature."""

    def __init__(self, key: SigningKey, domain: str, names: bytes) -> None:
        self._sign = key.sign
        self._opens = b"DKIM-Signature: v=1; a=%b; c=relaxed/relaxed; d=%b;\r\n s=%b; t=" % (
            key.algorithm.encode(),
            domain.encode(),
            key.selector.encode(),
        )
        self._names = b";\r\n h=%b;\r\n bh=" % names
        self._relaxed_opens = relaxed_field(self._opens).removesuffix(b"\r\n")
        self._relaxed_names = _relaxed(self._names)

    def signed(self, hashed: "hashlib._Hash", body: bytes, at: int) -> bytes:
        """Return the field, signed over fields that are `hashed` and itself, with an empty b= and no line end."""
        hashed.update(b"%b%d%b%b; b=" % (self._relaxed_opens, at, self._relaxed_names, body))
        signature = base64.b64encode(self._sign(hashed.digest()))
        lines = b"\r\n  ".join([signature[place : place + _LINE] for place in range(0, len(signature), _LINE)])
        return b"%b%d%b%b;\r\n b=%b\r\n" % (self._opens, at, self._names, body, lines)


def relaxed_field(field: bytes) -> bytes:
    """Return a field in relaxed form (RFC 6376, section 3.4.2), with its line end."""
    name, _, value = field.partition(b":")
    return b"%b:%b\r\n" % (name.rstrip(b" \t").lower(), _relaxed(value))


def _relaxed(value: bytes) -> bytes:
    if b"  " in value or b"\t" in value or b"\r" in value:
        value = _WSP.sub(b" ", value.replace(b"\r\n", b""))
    return value.strip(b" ")


def relaxed_body(body: bytes) -> bytes:
    """Return a body in relaxed form (RFC 6376, section 3.4.4); its line ends are all CRLF, the last one included."""
    return without_empty_end(relaxed_lines(body))


def relaxed_lines(lines: bytes) -> bytes:
    """Return whole lines of a body in relaxed form, empty ones at the end included.

    Scans for fixed bytes are several times as fast here as one regular expression.
    """
    if b"\t" in lines:
        lines = lines.replace(b"\t", b" ")
    while b"  " in lines:
        lines = lines.replace(b"  ", b" ")
    return lines.replace(b" \r\n", b"\r\n")


def without_empty_end(body: bytes) -> bytes:
    """Return a body without the empty lines at its end."""
    body = body.rstrip(b"\r\n")
    return body + b"\r\n" if body else b""


def _name(field: bytes) -> bytes:
    return field.partition(b":")[0]


def _folded(names: Sequence[bytes]) -> bytes:
    """Return names with colons between them, on lines of their own when they are many."""
    lines = [b""]
    for name in names:
        if len(lines[-1]) + len(name) > _NAMES_LINE:
            lines.append(b"")
        lines[-1] += name + b":"
    return b"\r\n  ".join(lines)[:-1]
