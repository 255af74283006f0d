"""`Messaging`: contacts, content and campaigns over HTTP, async."""

from typing import Self

import httpx

from taskflow.client.campaigns import Campaigns
from taskflow.client.contacts import Contacts
from taskflow.client.domains import Domains
from taskflow.client.imports import Imports
from taskflow.client.link import Link
from taskflow.client.lists import Lists
from taskflow.client.messages import Messages
from taskflow.client.privacy import Privacy
from taskflow.client.providers import Providers
from taskflow.client.routes import Routes
from taskflow.client.segments import Segments
from taskflow.client.sms import Sms
from taskflow.client.suppressions import Suppressions
from taskflow.client.templates import Templates
from taskflow.client.webhooks import Webhooks
from taskflow.engine.remote import calls


class Messaging:
    """Contacts, content and campaigns over HTTP, async.

        async with Messaging() as messaging:
            ada = await messaging.contacts.add(email="ada@example.com", attributes={"first_name": "Ada"})

    Every method raises the domain error that the API's problem was; `error.context["code"]` is its code.
    """

    def __init__(
        self,
        url: str | None = None,
        api_key: str | None = None,
        *,
        seconds: float = 30.0,
        http: httpx.AsyncClient | None = None,
    ) -> None:
        """Speak to the API at `url` with an API key; give up an attempt after `seconds`.

        What is left out comes from `TASKFLOW_API_URL` and `TASKFLOW_API_KEY`, or from the `taskflow up` that runs under
        `TASKFLOW_HOME`.

        Raises:
            UnauthenticatedError: there is no key.
        """
        access = calls.access_to(url, api_key)
        self._link = link = Link(access, http or httpx.AsyncClient(**calls.http_options(access, seconds)))
        self.contacts = Contacts(link)
        self.imports = Imports(link)
        self.lists = Lists(link)
        self.segments = Segments(link)
        self.suppressions = Suppressions(link)
        self.templates = Templates(link)
        self.campaigns = Campaigns(link)
        self.messages = Messages(link)
        self.privacy = Privacy(link)
        self.providers = Providers(link)
        self.routes = Routes(link)
        self.webhooks = Webhooks(link)
        self.sms = Sms(link)
        self.domains = Domains(link)
        self.routes = Routes(link)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._link.aclose()
