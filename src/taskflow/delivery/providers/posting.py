"""A provider of mail behind an HTTP API: one request a mail, and what its service makes of the answers.

A service is what a kind adds: how a mail becomes a request, how an answer reads, and a request that sends nothing, for
"test connection".
"""

import time
from collections.abc import Sequence
from typing import Protocol
from urllib.parse import urlsplit

from taskflow.delivery import addresses
from taskflow.delivery.outcome import NOT_STARTED, Outcome, OutcomeKind, refused_by_us
from taskflow.delivery.providers.answers import of_failure
from taskflow.delivery.providers.contract import Mail, ProviderUnusableError
from taskflow.delivery.providers.http import Answer, CallFailedError, HttpClient, Request
from taskflow.delivery.providers.parsed import UnreadableMailError


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


class HttpMailProvider:
    """Sends mails one by one over a service."""

    def __init__(self, service: MailService, client: HttpClient) -> None:
        """Use the client of the process."""
        self._service = service
        self._client = client

    @property
    def longest_send_seconds(self) -> float:
        """Return the time limit of a call."""
        return self._client.seconds

    async def send(self, mails: Sequence[Mail], deadline: float) -> list[Outcome]:
        """Hand mails over in order; after a fault of the provider, the rest of the window is not tried."""
        outcomes: list[Outcome] = []
        for mail in mails:
            if time.monotonic() >= deadline:
                outcome = NOT_STARTED
            elif outcomes and outcomes[-1].kind is OutcomeKind.PROVIDER_FAULT:
                outcome = outcomes[-1]
            else:
                outcome = await self._one(mail)
            outcomes.append(outcome)
        return outcomes

    async def check(self) -> str:
        """Sign in and say what was found.

        Raises:
            ProviderUnusableError: it cannot be used as it is configured, or now.
        """
        request = self._service.probe()
        if request is None:
            return "The settings are complete. This kind has no way to ask without sending: send a message to try it."
        try:
            answer = await self._client.call(request)
        except CallFailedError as error:
            host = urlsplit(request.url).hostname  # the rest of an address may hold a secret
            raise ProviderUnusableError(f"{host} cannot be reached: {error}") from error
        return self._service.found(answer)

    async def close(self) -> None:
        """Nothing is held: connections belong to the process's client."""

    async def _one(self, mail: Mail) -> Outcome:
        try:
            if mail.mail_from != addresses.NULL_PATH:
                addresses.parse(mail.mail_from)
            addresses.parse(mail.rcpt_to)
            request = self._service.request(mail)
        except (addresses.UnsafeAddressError, UnreadableMailError) as error:
            return refused_by_us(str(error))
        try:
            answer = await self._client.call(request)
        except CallFailedError as error:
            return of_failure(error)
        return self._service.outcome(answer)


def refused(answer: Answer) -> ProviderUnusableError:
    """Return the error of a probe that was refused."""
    if answer.code in (401, 403):
        return ProviderUnusableError(f"The provider does not take the credentials. It says: {answer}")
    return ProviderUnusableError(f"The provider does not answer as it should. It says: {answer}")
