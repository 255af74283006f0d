"""Passwords."""

import ast
from pathlib import Path

import pytest
from pydantic import SecretStr

import taskflow
from taskflow.base.errors import ConfigurationError
from taskflow.identity import passwords
from taskflow.identity.secret_key import signing_key
from taskflow.identity.service import WeakPasswordError, check_password
from taskflow.settings import Settings


async def test_a_hash_is_argon2id_with_owasp_parameters_or_stronger() -> None:
    stored = await passwords.hash_password("correct horse battery")
    _, kind, _, parameters, *_ = stored.split("$")
    values = dict(item.split("=") for item in parameters.split(","))
    assert kind == "argon2id"
    assert int(values["m"]) >= 19_456
    assert int(values["t"]) >= 2
    assert await passwords.verify_password(stored, "correct horse battery")
    assert not await passwords.verify_password(stored, "correct horse batterY")


async def test_a_missing_user_is_verified_as_long_as_a_known_one(monkeypatch: pytest.MonkeyPatch) -> None:
    stored = await passwords.hash_password("correct horse battery")
    verified: list[str] = []
    original = passwords._verify
    monkeypatch.setattr(passwords, "_verify", lambda hashed, text: (verified.append(hashed), original(hashed, text))[1])
    await passwords.verify_password(stored, "wrong")
    await passwords.verify_password(None, "wrong")
    assert len(verified) == 2
    assert verified[1].startswith("$argon2id$")
    assert verified[1].rpartition("$")[0].rpartition("$")[0] == verified[0].rpartition("$")[0].rpartition("$")[0]


async def test_no_password_is_right_for_a_missing_user() -> None:
    for guess in ("", "password", passwords._dummy or ""):
        assert not await passwords.verify_password(None, guess)


@pytest.mark.parametrize("password", ["short", "x" * 257, "someone@example.com", "SOMEONE@EXAMPLE.COM"])
def test_weak_passwords_are_refused(password: str) -> None:
    with pytest.raises(WeakPasswordError):
        check_password(password, "someone@example.com")


@pytest.mark.parametrize(
    "key", [None, "", "short", "x" * 64, "changeme-changeme-changeme-changeme", "your-secret-key-here-0123456789abcdef"]
)
def test_a_missing_short_or_sample_secret_key_is_refused_with_a_reason(key: str | None) -> None:
    with pytest.raises(ConfigurationError, match="TASKFLOW_SECRET_KEY"):
        signing_key(Settings(secret_key=SecretStr(key) if key is not None else None))


def test_no_secret_is_compared_with_equals() -> None:
    """`==` stops at the first difference, and so tells how far a guess was right."""
    secret_words = ("secret", "password", "digest", "signature", "tag", "token")
    suspects = []
    for file in (Path(taskflow.__file__).parent / "identity").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.Eq | ast.NotEq):
                names = {item.attr for item in ast.walk(node) if isinstance(item, ast.Attribute)}
                names |= {item.id for item in ast.walk(node) if isinstance(item, ast.Name)}
                if any(name in secret_words or name.endswith(("_secret", "_hash")) for name in names):
                    suspects.append(f"{file.name}:{node.lineno}")
    assert suspects == []
