"""Encryption at rest: arguments, results and error texts as AES-256-GCM, each with the id of its key.

    use_middleware(PayloadEncryption({"2026-11": key}, current="2026-11"))

Whoever enqueues seals the arguments, the worker opens them, and seals what comes back; PostgreSQL, its backups, the API
and the dashboard see ciphertext. A seal is bound to its task's name and to its place (arguments, result, error): moved
anywhere else it does not open. Old keys stay in the map until nothing sealed with them is left. Not sealed: names,
queues, tags, unique keys, log lines and progress.
"""

import base64
import os
from collections.abc import Iterable, Mapping
from typing import Any, Literal

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from taskflow.base.errors import ConfigurationError
from taskflow.engine.dependencies.models import GROUP, InvalidDependencyError
from taskflow.engine.middleware.base import Call, Middleware
from taskflow.engine.requests import TaskRow
from taskflow.engine.sealed import SealedError, parts_of, sealed_text, sealed_value
from taskflow.engine.store import Outcome

Place = Literal["arguments", "result", "error", "stack"]

_KEY_BYTES = 32
_NONCE_BYTES = 12
_ID_CHARS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-")


class PayloadEncryption(Middleware):
    """Seals what tasks carry.

    Args:
        keys: 32 random bytes by key id, or their base64; ids are up to 50 letters, digits, `_`, `.` and `-`.
        current: the id of the key that seals; the others only open.
        tasks: only tasks of these names; all when None.

    Raises:
        ConfigurationError: a key has another length, or `current` is not among them.
    """

    def __init__(self, keys: Mapping[str, bytes | str], *, current: str, tasks: Iterable[str] | None = None) -> None:
        """Take the keys."""
        self._keys = {key_id: AESGCM(_key(key_id, key)) for key_id, key in keys.items()}
        if current not in self._keys:
            raise ConfigurationError(f"The current key {current!r} is not among the keys {sorted(self._keys)}.")
        self._current = current
        self._tasks = None if tasks is None else frozenset(tasks)

    async def before_enqueue(self, task: TaskRow) -> TaskRow:
        """Seal the arguments; a fingerprint of them would tell them to whoever can guess.

        Raises:
            InvalidDependencyError: some arguments are results of parents, which come too late to be sealed.
        """
        if not self._seals(task.task_name) or parts_of(task.kwargs) is not None or task.task_name == GROUP:
            return task
        if task.takes_results:
            raise InvalidDependencyError(
                f"{task.task_name}: its arguments are encrypted, so none can be the result of another task."
            )
        sealed = self.seal({"args": task.args, "kwargs": task.kwargs}, task.task_name, "arguments")
        return task._replace(args=None, kwargs=sealed, fingerprint=None)

    async def before_run(self, call: Call) -> None:
        """Open the arguments; those that were never sealed pass."""
        if parts_of(call.kwargs) is not None:
            opened = self.open(call.kwargs, call.lease.task_name, "arguments")
            call.args, call.kwargs = opened["args"], opened["kwargs"]

    async def before_complete(self, outcome: Outcome) -> None:
        """Seal the result and the texts of an error."""
        name = outcome.lease.task_name
        if not self._seals(name):
            return
        if outcome.result is not None:
            outcome.result = self.seal(outcome.result, name, "result")
        if outcome.error is not None:
            outcome.error = self.seal_text(outcome.error, name, "error")
        if outcome.stack is not None:
            outcome.stack = self.seal_text(outcome.stack, name, "stack")

    def seal(self, value: Any, task_name: str, place: Place) -> dict[str, Any]:
        """Return a JSON value as it is stored."""
        return sealed_value(self._current, self._seal(orjson.dumps(value), task_name, place))

    def seal_text(self, text: str, task_name: str, place: Place) -> str:
        """Return a text as it is stored."""
        return sealed_text(self._current, self._seal(text.encode(), task_name, place))

    def open(self, stored: Any, task_name: str, place: Place) -> Any:
        """Return what was sealed; what was not, as it is.

        Raises:
            SealedError: its key is not here, it was changed, or it belongs to another task or place.
        """
        parts = parts_of(stored)
        if parts is None:
            return stored
        key_id, data = parts
        key = self._keys.get(key_id)
        if key is None:
            raise SealedError(f"{task_name}: its {place} is sealed with the key {key_id!r}, which is not here.")
        try:
            raw = base64.b64decode(data, validate=True)
            opened = key.decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], _bound(task_name, place))
        except (InvalidTag, ValueError) as error:
            raise SealedError(f"{task_name}: its {place} was changed, or sealed for something else.") from error
        return opened.decode() if isinstance(stored, str) else orjson.loads(opened)

    def _seals(self, task_name: str) -> bool:
        return self._tasks is None or task_name in self._tasks

    def _seal(self, plain: bytes, task_name: str, place: Place) -> str:
        nonce = os.urandom(_NONCE_BYTES)
        sealed = self._keys[self._current].encrypt(nonce, plain, _bound(task_name, place))
        return base64.b64encode(nonce + sealed).decode()


def _bound(task_name: str, place: Place) -> bytes:
    return f"taskflow {place} {task_name}".encode()


def _key(key_id: str, key: bytes | str) -> bytes:
    if not 0 < len(key_id) <= 50 or not set(key_id) <= _ID_CHARS:
        raise ConfigurationError(f"Key id {key_id!r}: use 1 to 50 letters, digits, '_', '.' or '-'.")
    try:
        raw = base64.b64decode(key, validate=True) if isinstance(key, str) else key
    except ValueError as error:
        raise ConfigurationError(f"The key {key_id!r} is no base64.") from error
    if len(raw) != _KEY_BYTES:
        raise ConfigurationError(f"The key {key_id!r} has {len(raw)} bytes; AES-256 needs {_KEY_BYTES} random ones.")
    return raw
