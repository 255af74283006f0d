"""Databases for tests: a migrated template made once, a copy of it for each test."""

import asyncio
import itertools
import os
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import asyncpg

from taskflow.db import migrate, partitions

T = TypeVar("T")

_numbers = itertools.count(1)


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine from a synchronous fixture on a loop of its own, whatever loop the test has."""
    with ThreadPoolExecutor(1) as executor:
        return executor.submit(asyncio.run, work).result()


@dataclass(frozen=True)
class Databases:
    """The databases of one embedded server."""

    admin_url: str
    template: str = "template_taskflow"

    def url(self, name: str) -> str:
        """Return the URL of the database `name`."""
        return self.admin_url.replace("@/taskflow?", f"@/{name}?")

    async def _execute(self, statement: str) -> None:
        connection = await asyncpg.connect(self.admin_url)
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    async def _migrate_template(self) -> None:
        await self._execute(f"CREATE DATABASE {self.template}")
        url = self.url(self.template)
        await migrate.upgrade(url)
        async with asyncpg.create_pool(url, min_size=1, max_size=1) as pool:
            await partitions.ensure(pool)

    def make_template(self) -> None:
        """Create and migrate the template: once per server."""
        run(self._migrate_template())

    @contextmanager
    def copy(self, *, empty: bool = False) -> Iterator[str]:
        """Hand out the URL of a fresh copy of the template (or of an `empty` database) and drop it afterwards."""
        name = f"test_{os.getpid()}_{next(_numbers)}"
        source = "template1" if empty else self.template
        run(self._execute(f"CREATE DATABASE {name} TEMPLATE {source} STRATEGY FILE_COPY"))
        try:
            yield self.url(name)
        finally:
            run(self._execute(f"DROP DATABASE {name} WITH (FORCE)"))
