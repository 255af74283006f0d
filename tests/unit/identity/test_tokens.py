"""Access tokens: the corpus of forgeries that other libraries once took."""

import base64
import hashlib
import hmac
import json
import time
from uuid import uuid4

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from pydantic import SecretStr

from taskflow.base.signing import derive_key
from taskflow.identity.tokens import (
    InvalidTokenError,
    TokenSigner,
    hash_api_secret,
    make_api_key,
    split_api_key,
)

SECRET = "unit-key-0123456789abcdefghijklmnop"
SIGNER = TokenSigner(SecretStr(SECRET), access_seconds=900)
KEY = derive_key(SECRET.encode(), "access-token")
USER, SESSION = uuid4(), uuid4()


def good_token() -> str:
    return SIGNER.access_token(USER, SESSION, 7)


def header() -> dict:
    return json.loads(_unb64(good_token().split(".")[0]))


def claims(**changes: object) -> dict:
    found = json.loads(_unb64(good_token().split(".")[1])) | changes
    return {name: value for name, value in found.items() if value is not ...}


def forge(head: dict, body: dict, key: bytes = KEY, *, algorithm: str = "sha256") -> str:
    """Sign by hand: libraries refuse to make most of these."""
    signed = f"{_b64(json.dumps(head, separators=(',', ':')).encode())}.{_b64(json.dumps(body).encode())}"
    return f"{signed}.{_b64(hmac.digest(key, signed.encode(), algorithm))}"


def _b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _unb64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def test_a_token_says_who_which_session_and_which_version() -> None:
    found = SIGNER.read_access_token(good_token())
    assert (found.user_id, found.session_id, found.token_version) == (USER, SESSION, 7)
    assert found.expires_at == pytest.approx(time.time() + 900, abs=2)


def test_a_token_forged_by_hand_with_our_key_and_header_would_pass() -> None:
    """The corpus below fails for the reason it names, not because `forge` is wrong."""
    assert SIGNER.read_access_token(forge(header(), claims())).user_id == USER


def _public_key() -> rsa.RSAPublicKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048).public_key()


def _corpus() -> dict[str, str]:
    head, body, sections = header(), claims(), good_token().split(".")
    public = _public_key()
    pem = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    der = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    unreadable = f"{sections[0]}.{_b64(b'{')}"
    other = TokenSigner(SecretStr("another-key-0123456789abcdefghijkl"), access_seconds=900)
    return {
        "empty": "",
        "dots": "..",
        "one section": sections[0],
        "no signature": f"{sections[0]}.{sections[1]}.",
        "none": f"{_b64(json.dumps({**head, 'alg': 'none'}).encode())}.{sections[1]}.",
        "None in capitals": f"{_b64(json.dumps({**head, 'alg': 'NONE'}).encode())}.{sections[1]}.",
        "another HMAC": forge({**head, "alg": "HS512"}, body, algorithm="sha512"),
        "PEM public key as secret": forge(head, body, pem),
        "DER public key as secret": forge(head, body, der),
        "RS256 in the header": forge({**head, "alg": "RS256"}, body),
        "another installation's key": other.access_token(USER, SESSION, 7),
        "empty key": forge(head, body, b""),
        "crit": forge({**head, "crit": ["exp"]}, body),
        "unknown crit": forge({**head, "crit": ["b64"], "b64": False}, body),
        "kid path": forge({**head, "kid": "../../../../dev/null"}, body),
        "kid SQL": forge({**head, "kid": "' UNION SELECT '' --"}, body),
        "no kid": forge({"alg": "HS256", "typ": "at+jwt"}, body),
        "jku": forge({**head, "jku": "http://127.0.0.1:1/keys"}, body),
        "jwk": forge({**head, "jwk": {"kty": "oct", "k": _b64(KEY)}}, body),
        "x5u": forge({**head, "x5u": "http://127.0.0.1:1/cert"}, body),
        "header with spaces": forge({**head}, body).replace(sections[0], _b64(json.dumps(head).encode()), 1),
        "changed payload": f"{sections[0]}.{_b64(json.dumps({**body, 'ver': 8}).encode())}.{sections[2]}",
        "signature cut": good_token()[:-4],
        "huge": good_token() + "A" * 100_000,
        "huge payload": forge(head, {**body, "x": "y" * 10_000}),
        "no JSON": unreadable + "." + _b64(hmac.digest(KEY, unreadable.encode(), "sha256")),
        "expired": forge(head, claims(exp=int(time.time()) - 60)),
        "exp far away as text": forge(head, claims(exp="9999999999x")),
        "issued in the future": forge(head, claims(iat=int(time.time()) + 3600)),
        "issuer as a part": forge(head, claims(iss="task")),
        "issuer as a list": forge(head, claims(iss=["taskflow"])),
        "other audience": forge(head, claims(aud="taskflow")),
        "audience list": forge(head, claims(aud=["taskflow-api", "elsewhere"])),
        "refresh type": forge(head, claims(typ="refresh")),
        "version as text": forge(head, claims(ver="7")),
        "version as a truth": forge(head, claims(ver=True)),
        "subject no id": forge(head, claims(sub="admin")),
        "subject a number": forge(head, claims(sub=1)),
        "a refresh token": SIGNER.refresh_token(uuid4()),
        "not ASCII": "é" * 40,
        **{
            f"no {name}": forge(head, claims(**{name: ...}))
            for name in ("iss", "aud", "exp", "iat", "sub", "typ", "ver", "sid")
        },
    }


CORPUS = _corpus()


@pytest.mark.parametrize("name", CORPUS)
def test_no_forgery_passes(name: str) -> None:
    with pytest.raises(InvalidTokenError):
        SIGNER.read_access_token(CORPUS[name])


def test_an_expired_token_of_pyjwt_itself_is_refused() -> None:
    token = jwt.encode(claims(exp=int(time.time()) - 60), KEY, algorithm="HS256", headers=header())
    with pytest.raises(InvalidTokenError):
        SIGNER.read_access_token(token)


def test_a_refresh_token_is_an_id_that_cannot_be_made_up() -> None:
    token_id = uuid4()
    token = SIGNER.refresh_token(token_id)
    assert SIGNER.read_refresh_token(token) == token_id
    changed = ("B" if token[0] == "A" else "A") + token[1:]
    for wrong in (changed, token[:-2], "", good_token(), "é", base64.urlsafe_b64encode(token_id.bytes).decode()):
        with pytest.raises(InvalidTokenError):
            SIGNER.read_refresh_token(wrong)


def test_api_keys_are_long_random_and_kept_as_a_hash() -> None:
    keys = [make_api_key() for _ in range(100)]
    assert len({key.text for key in keys}) == 100
    for key in keys:
        prefix, secret = split_api_key(key.text)
        assert prefix == key.prefix
        assert len(base64.urlsafe_b64decode(secret + "=")) == 32
        assert key.secret_hash == hash_api_secret(secret) == hashlib.sha256(secret.encode()).digest()
        assert secret.encode() not in key.secret_hash


@pytest.mark.parametrize(
    "text", ["", "tf_", "tf_abc", "tf__", "xx_aaaaaaaaaaaa_" + "s" * 43, "tf_aaaaaaaaaaaa_" + "é" * 43]
)
def test_what_does_not_look_like_an_api_key_is_none(text: str) -> None:
    with pytest.raises(InvalidTokenError):
        split_api_key(text)
