"""Passwords: argon2id off the event loop, at most two at a time.

Parameters are OWASP's (Password Storage Cheat Sheet: m = 19 MiB, t = 2, p = 1). A sign-in of an unknown address
verifies against a dummy hash, so that it takes as long as one of a known address.
"""

import asyncio
import secrets
from concurrent.futures import ThreadPoolExecutor

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

MIN_LENGTH = 12
MAX_LENGTH = 256

_hasher = PasswordHasher(time_cost=2, memory_cost=19456, parallelism=1)
_threads = ThreadPoolExecutor(max_workers=2, thread_name_prefix="argon2")
_dummy: str | None = None


def generate_password() -> str:
    """Return a new password of 120 random bits."""
    return secrets.token_urlsafe(15)


async def hash_password(password: str) -> str:
    """Return the argon2id hash of a password."""
    return await asyncio.get_running_loop().run_in_executor(_threads, _hasher.hash, password)


async def verify_password(stored: str | None, password: str) -> bool:
    """Tell whether `password` is the one behind `stored`; None takes as long and is never right."""
    global _dummy  # noqa: PLW0603 - made once a process, with the parameters above
    if stored is None and _dummy is None:
        _dummy = await hash_password(generate_password())
    matches = await asyncio.get_running_loop().run_in_executor(_threads, _verify, stored or _dummy or "", password)
    return matches and stored is not None


def needs_rehash(stored: str) -> bool:
    """Tell whether a hash was made with weaker parameters than today's."""
    return _hasher.check_needs_rehash(stored)


def _verify(stored: str, password: str) -> bool:
    try:
        return _hasher.verify(stored, password)
    except (VerificationError, InvalidHashError):
        return False
