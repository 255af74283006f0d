"""The application in the test's own process, and clients for it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx
from fastapi import FastAPI

from support.waiting import eventually
from taskflow.api.app import create_app
from taskflow.api.server import make_server
from taskflow.broker.redis.broker import RedisBroker
from taskflow.db.pool import Database
from taskflow.identity.access import Services
from taskflow.identity.models import Role
from taskflow.identity.service import IdentityService
from taskflow.identity.tokens import TokenSigner
from taskflow.settings import Settings

PASSWORD = "correct horse battery"


@dataclass
class Api:
    """A running application and what tests ask of it."""

    app: FastAPI
    anonymous: httpx.AsyncClient
    settings: Settings

    @property
    def services(self) -> Services:
        return self.app.state.services

    @property
    def database(self) -> Database:
        return self.services.get(Database)

    @property
    def broker(self) -> RedisBroker:
        return self.services.get(RedisBroker)

    @property
    def identity(self) -> IdentityService:
        return IdentityService(self.database, self.settings.security, self.services.get(TokenSigner))

    async def user(self, role: Role, email: str | None = None) -> str:
        """Add a user and return the address."""
        email = email or f"{role.value}@example.com"
        await self.identity.create_user(email, PASSWORD, role)
        return email

    async def sign_in(self, email: str) -> dict:
        answer = await self.anonymous.post("/api/v1/auth/login", json={"email": email, "password": PASSWORD})
        assert answer.status_code == 200, answer.text
        return answer.json()

    def client(self, token: str) -> httpx.AsyncClient:
        return client_of(self.app, headers={"Authorization": f"Bearer {token}"})

    async def as_role(self, role: Role) -> httpx.AsyncClient:
        """Add a user of a role and return their client."""
        return self.client((await self.sign_in(await self.user(role)))["access_token"])


def client_of(app: FastAPI, address: str = "127.0.0.1", **options: object) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app=app, client=(address, 40000), raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://testserver", **options)


@asynccontextmanager
async def running_without_limits(settings: Settings) -> AsyncIterator[Api]:
    """The application with limits that do not get in the way of tests about something else."""
    settings.http.rate_limit_user_per_minute = settings.http.rate_limit_ip_per_minute = 100_000
    settings.audience.form_per_minute = settings.message.rate_limit_per_minute = 100_000
    async with running(settings) as found:
        yield found


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[Api]:
    app = create_app(settings)
    async with app.router.lifespan_context(app), client_of(app) as anonymous:
        yield Api(app, anonymous, settings)


@asynccontextmanager
async def serving(settings: Settings) -> AsyncIterator[str]:
    """Serve an application under uvicorn in this process, as `taskflow api` does, and yield its URL."""
    server = make_server(settings)
    task = asyncio.create_task(server.serve())
    try:
        await eventually(lambda: server.started or task.done(), what="the API listens")
        if task.done():
            task.result()
        yield f"http://127.0.0.1:{server.port}"
    finally:
        server.should_exit = True
        await task
