"""Encryption at rest: arguments, results and error texts as AES-256-GCM, each with the id of its key.

    use_middleware(PayloadEncryption({"2026-11": key}, current="2026-11"))

Whoever enqueues seals the arguments, the worker opens them, and seals what comes back; PostgreSQL, its backups, the API
and the dashboard see ciphertext. A seal is bound to its task's name and to its place (arguments, result, error), and
what comes back to the task's id too: moved anywhere else it does not open. Arguments are not bound to an id, because a
schedule gives the same ones to each of its tasks, and an edited dead letter its own to another. Results of parents are
opened on the worker and put among the arguments there. Old keys stay in the map until nothing sealed with them is left.
Not sealed: names, queues, tags, unique keys, log lines and progress.
"""

import base64
import os
from collections.abc import Iterable, Mapping
from typing import Any, Literal
from uuid import UUID

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from taskflow.base.errors import ConfigurationError
from taskflow.engine.dependencies.models import GROUP, Returned, fill
from taskflow.engine.middleware.base import Call, Middleware
from taskflow.engine.requests import TaskRow
from taskflow.engine.sealed import SealedError, holds_sealed, parts_of, sealed_text, sealed_value
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
        required: run none of them on arguments that were never sealed, so that whoever can write to the database, but
            has no key, makes no calls of their own. Whoever enqueues needs the keys then, the API too. It needs
            `tasks`, because the engine's own tasks (webhooks, mail) are made in SQL.

    Raises:
        ConfigurationError: a key has another length, `current` is not among them, or `required` comes without `tasks`.
    """

    def __init__(
        self,
        keys: Mapping[str, bytes | str],
        *,
        current: str,
        tasks: Iterable[str] | None = None,
        required: bool = False,
    ) -> None:
        """Take the keys."""
        self._keys = {key_id: AESGCM(_key(key_id, key)) for key_id, key in keys.items()}
        if current not in self._keys:
            raise ConfigurationError(f"The current key {current!r} is not among the keys {sorted(self._keys)}.")
        if required and tasks is None:
            raise ConfigurationError("`required` needs `tasks`: the engine's own tasks are never sealed.")
        self._current = current
        self._tasks = None if tasks is None else frozenset(tasks)
        self._required = required

    async def before_enqueue(self, task: TaskRow) -> TaskRow:
        """Seal the arguments; a fingerprint of them would tell them to whoever can guess."""
        if not self._seals(task.task_name) or parts_of(task.kwargs) is not None or task.task_name == GROUP:
            return task
        sealed = self.seal({"args": task.args, "kwargs": task.kwargs}, task.task_name, "arguments")
        return task._replace(args=None, kwargs=sealed, fingerprint=None)

    async def before_run(self, call: Call) -> None:
        """Open the arguments and put results of parents among them; those that were never sealed pass.

        Raises:
            SealedError: as `open`; or they were never sealed, and have to be.
        """
        name = call.lease.task_name
        if self._required and self._seals(name) and parts_of(call.kwargs) is None:
            raise SealedError(f"{name}: its arguments were never sealed, and `required` runs no such task.")
        if parts_of(call.kwargs) is not None:
            opened = self.open(call.kwargs, name, "arguments")
            call.args, call.kwargs = opened["args"], opened["kwargs"]
        if call.returned:
            call.kwargs = fill(call.kwargs, [(one.arguments, self._result_of(one)) for one in call.returned])
            call.returned = ()

    async def before_complete(self, outcome: Outcome) -> None:
        """Seal the result and the texts of an error."""
        name, task_id = outcome.lease.task_name, outcome.lease.task_id
        if not self._seals(name):
            return
        if outcome.result is not None:
            outcome.result = self.seal(outcome.result, name, "result", task_id)
        if outcome.error is not None:
            outcome.error = self.seal_text(outcome.error, name, "error", task_id)
        if outcome.stack is not None:
            outcome.stack = self.seal_text(outcome.stack, name, "stack", task_id)

    def hides(self, task_name: str) -> bool:
        """Keep errors of tasks that are sealed from whoever sees them before."""
        return self._seals(task_name)

    def seal(self, value: Any, task_name: str, place: Place, task_id: UUID | None = None) -> dict[str, Any]:
        """Return a JSON value as it is stored; arguments have no `task_id`."""
        return sealed_value(self._current, self._seal(orjson.dumps(value), _bound(task_name, place, task_id)))

    def seal_text(self, text: str, task_name: str, place: Place, task_id: UUID | None = None) -> str:
        """Return a text as it is stored."""
        return sealed_text(self._current, self._seal(text.encode(), _bound(task_name, place, task_id)))

    def open(self, stored: Any, task_name: str, place: Place, task_id: UUID | None = None) -> Any:
        """Return what was sealed; what was not, as it is. All but arguments opens with the id of its task.

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
            opened = key.decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], _bound(task_name, place, task_id))
        except (InvalidTag, ValueError) as error:
            raise SealedError(f"{task_name}: its {place} was changed, or sealed for something else.") from error
        return opened.decode() if isinstance(stored, str) else orjson.loads(opened)

    def _seals(self, task_name: str) -> bool:
        return self._tasks is None or task_name in self._tasks

    def _result_of(self, returned: Returned) -> Any:
        if not holds_sealed(returned.result):
            return returned.result
        if not returned.is_group:
            [(task_id, name)] = returned.sources
            return self.open(returned.result, name, "result", task_id)
        members = zip(returned.result, returned.sources, strict=True)
        return [self.open(result, name, "result", task_id) for result, (task_id, name) in members]

    def _seal(self, plain: bytes, bound: bytes) -> str:
        nonce = os.urandom(_NONCE_BYTES)
        return base64.b64encode(nonce + self._keys[self._current].encrypt(nonce, plain, bound)).decode()


def _bound(task_name: str, place: Place, task_id: UUID | None) -> bytes:
    return f"taskflow {place} {task_id or '-'} {task_name}".encode()


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
