"""A provider of mail behind an HTTP API: one request a mail, and what its service makes of the answers.

A service is what a kind adds: how a mail becomes a request, how an answer reads, and a request that sends nothing, for
"test connection".
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Protocol
from urllib.parse import urlsplit

from taskflow.base.logging import get_logger
from taskflow.delivery import addresses
from taskflow.delivery.outcome import Cause, Outcome, OutcomeKind, refused_by_us
from taskflow.delivery.providers.answers import VERB, of_failure
from taskflow.delivery.providers.contract import Mail, ProviderUnusableError, Sighting, Sought
from taskflow.delivery.providers.http import Answer, CallFailedError, HttpClient, Request
from taskflow.delivery.providers.parsed import UnreadableMailError
from taskflow.delivery.providers.window import send_each

log = get_logger(__name__)

NO_PROBE = "The settings are complete. This kind has no way to ask without sending: send a message to try it."


class MailService(Protocol):
    """What differs between providers of mail over HTTP."""

    def request(self, mail: Mail) -> Request:
        """Return the request that hands a mail over.

        Raises:
            UnreadableMailError: this service cannot be told of such a mail.
        """

    def outcome(self, answer: Answer) -> Outcome:
        """Return what became of the mail."""

    def probe(self) -> Request | None:
        """Return a request that signs in and sends nothing, if there is one."""

    def found(self, answer: Answer) -> str:
        """Return in one sentence what the probe has found.

        Raises:
            ProviderUnusableError: the provider cannot be used so.
        """


class MailSearch(Protocol):
    """What a service has besides when it can be asked for mails."""

    def search(self, sought: Sought) -> Request:
        """Return the request that asks for a mail."""

    def sighting(self, answer: Answer, sought: Sought) -> Sighting | None:
        """Return what the answer says of it (`Searchable.find`).

        Raises:
            ProviderUnusableError: it says nothing of it.
        """


class MailQuota(Protocol):
    """What a service has besides when its probe tells how much an account may send."""

    def probe(self) -> Request:
        """Return the request that signs in and sends nothing."""

    def quota(self, answer: Answer) -> Mapping[str, int]:
        """Return what the answer says of it (`Metered.quota`)."""


class HttpMailProvider:
    """Sends mails over a service, a request each."""

    def __init__(self, service: MailService, client: HttpClient) -> None:
        """Use the client of the process."""
        self._service = service
        self._client = client
        self._slots = asyncio.Semaphore(client.connections)

    @property
    def longest_send_seconds(self) -> float:
        """Return the time limit of a call."""
        return self._client.seconds

    async def send(self, mails: Sequence[Mail], deadline: float) -> list[Outcome]:
        """Hand mails over, the first alone and then the rest together; after a fault the rest is not tried."""
        return await send_each(mails, deadline, self._slots, self._one)

    async def check(self) -> str:
        """Sign in and say what was found.

        Raises:
            ProviderUnusableError: it cannot be used as it is configured, or now.
        """
        request = self._service.probe()
        if request is None:
            return NO_PROBE
        return self._service.found(await self._probed(request))

    async def close(self) -> None:
        """Nothing is held: connections belong to the process's client."""

    async def _probed(self, request: Request) -> Answer:
        try:
            return await self._client.call(request)
        except CallFailedError as error:
            host = urlsplit(request.url).hostname  # the rest of an address may hold a secret
            raise ProviderUnusableError(f"{host} cannot be reached: {error}") from error

    async def _one(self, mail: Mail) -> Outcome:
        """Return what became of one mail; an error of its service's own is about this mail and no other."""
        try:
            if mail.mail_from != addresses.NULL_PATH:
                addresses.parse(mail.mail_from)
            addresses.parse(mail.rcpt_to)
            request = self._service.request(mail)
        except (addresses.UnsafeAddressError, UnreadableMailError) as error:
            return refused_by_us(str(error))
        except Exception as error:
            log.exception("request_not_made", message_id=str(mail.message_id))
            return refused_by_us(f"This provider cannot be told of the mail: {type(error).__name__}.")
        try:
            return self._service.outcome(await self._client.call(request))
        except CallFailedError as error:
            return of_failure(error)
        except Exception as error:
            log.exception("answer_not_read", message_id=str(mail.message_id))
            reason = f"The answer about the mail could not be read: {type(error).__name__}."
            return Outcome(OutcomeKind.UNCERTAIN, VERB, reason=reason, cause=Cause.UNKNOWN)


class SearchableMailProvider(HttpMailProvider):
    """One whose service can be asked for mails."""

    def __init__(self, service: MailService, search: MailSearch, client: HttpClient) -> None:
        """`search`: how the service is asked."""
        super().__init__(service, client)
        self._search = search

    async def find(self, sought: Sought) -> Sighting | None:
        """Ask for a mail.

        Raises:
            ProviderUnusableError: it did not answer, or not so that this is known.
        """
        try:
            answer = await self._client.call(self._search.search(sought))
        except CallFailedError as error:
            raise ProviderUnusableError(str(error)) from error
        if answer.code != 200:
            raise refused(answer)
        if not answer.is_whole:
            raise ProviderUnusableError("The provider's answer was cut, or is too long.")
        return self._search.sighting(answer, sought)


class MeteredMailProvider(HttpMailProvider):
    """One whose service knows how much its account may send."""

    def __init__(self, service: MailService, meter: MailQuota, client: HttpClient) -> None:
        """`meter`: what asks it."""
        super().__init__(service, client)
        self._meter = meter

    async def quota(self) -> Mapping[str, int]:
        """Ask how much the account may send.

        Raises:
            ProviderUnusableError: it did not answer.
        """
        return self._meter.quota(await self._probed(self._meter.probe()))


def refused(answer: Answer) -> ProviderUnusableError:
    """Return the error of a probe that was refused."""
    if answer.code in (401, 403):
        return ProviderUnusableError(f"The provider does not take the credentials. It says: {answer}")
    return ProviderUnusableError(f"The provider does not answer as it should. It says: {answer}")
