"""Decisions about sending domains: add, check, rotate, remove.

A key signs only once DNS shows its public half (or somebody insists): a signature that nobody can verify is worse than
none. `check` and `rotate` both look; what is published takes over, and what it replaces stays in the zone for some
days, because mail that it signed is still under way.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple
from uuid import UUID

from taskflow.db.pool import Database
from taskflow.delivery.dkim import Algorithm
from taskflow.delivery.domains import keys
from taskflow.delivery.domains.checks.patient import Patient
from taskflow.delivery.domains.doctor import Doctor
from taskflow.delivery.domains.gmail import GmailUse, gmail_use
from taskflow.delivery.domains.models import DomainExistsError, KeyState, NotPublishedError, SendingDomain, domain_name
from taskflow.delivery.domains.outlets import Outlets
from taskflow.delivery.domains.repository import DomainRepository, sql
from taskflow.delivery.domains.resolver import Resolver
from taskflow.delivery.providers.opening import Opener
from taskflow.delivery.providers.registry import Registry
from taskflow.delivery.return_paths import ReturnPaths
from taskflow.identity.secret_key import signing_key, vault
from taskflow.settings import Settings
from taskflow.settings.domain import DomainSettings


class ReturnPath(NamedTuple):
    """The message that an address was made for. `message_id`: of a campaign, the recipient's id.

    `email`, `status`: of the recipient, as long as the ledger knows it.
    """

    campaign_id: UUID | None
    message_id: UUID
    email: str | None
    status: str | None


class DomainService:
    """The sending domains of this installation."""

    def __init__(
        self,
        database: Database,
        settings: Settings,
        *,
        open_resolver: Callable[[DomainSettings], Resolver] = Resolver,
        smtp_port: int = 25,
    ) -> None:
        """Take the pools. `open_resolver`: makes what asks DNS, one for each check."""
        self._database = database
        self._settings = settings
        self._secret = signing_key(settings).get_secret_value().encode()
        self._vault = vault(settings)
        self._open_resolver = open_resolver
        self._smtp_port = smtp_port
        self.repository = DomainRepository(database.pool)

    async def add(
        self, domain: str, return_path_domain: str | None = None, *, created_by: UUID | None = None
    ) -> SendingDomain:
        """Register a domain, with a key of each algorithm that waits for its record in the zone.

        Raises:
            InvalidDomainError: one of the names is none.
            DomainExistsError: it is there already.
        """
        domain = domain_name(domain)
        return_path = domain_name(return_path_domain) if return_path_domain else None
        made = [await keys.make(self._vault, domain, algorithm) for algorithm in Algorithm]
        async with self._database.pool.acquire() as connection, connection.transaction():
            if not await self.repository.insert(connection, domain, return_path, created_by):
                raise DomainExistsError(f"{domain} is a sending domain already.")
            for key in made:
                await self.repository.insert_key(connection, domain, key)
        return await self.repository.get(domain)

    async def get(self, domain: str) -> SendingDomain:
        """Return a domain.

        Raises:
            InvalidDomainError, DomainNotFoundError: there is none.
        """
        return await self.repository.get(domain_name(domain))

    async def set_return_path(self, domain: str, return_path_domain: str | None) -> SendingDomain:
        """Let bounces go to addresses of another domain, or (None) to the sender's own; raises like `add`."""
        domain = domain_name(domain)
        await self.repository.set_return_path(domain, domain_name(return_path_domain) if return_path_domain else None)
        return await self.repository.get(domain)

    async def remove(self, domain: str) -> str:
        """Forget a domain and its keys; mail from it leaves unsigned from then on. Raises like `get`."""
        domain = domain_name(domain)
        await self.repository.delete(domain)
        return domain

    async def gmail(self, domain: SendingDomain) -> GmailUse:
        """Return what its primary domain has sent to Gmail."""
        return await gmail_use(self._database.pool, domain.domain)

    async def outlets(self) -> Outlets:
        """Return where mail leaves from now."""
        return await Outlets.read(self._database.pool, self._settings)

    async def check(self, domain: str) -> SendingDomain:
        """Ask the zone and the mail servers, keep what was found, and let keys sign that DNS shows now.

        Raises:
            InvalidDomainError, DomainNotFoundError: there is no such domain.
            LookupFailedError: this machine has no resolver.
        """
        found = await self.get(domain)
        resolver = self._open_resolver(self._settings.domain)  # one for both looks: it asks nothing twice
        doctor = await self._doctor(found, resolver)
        await doctor.look_for_keys()
        await self._activate(found, doctor.published)
        found = await self.repository.get(found.domain)
        doctor = await self._doctor(found, resolver)
        async with Opener.open(self._settings, Registry.installed()) as opener:
            findings = await doctor.examine(opener)
        await self.repository.write_report(found.domain, [finding.as_json() for finding in findings])
        return await self.repository.get(found.domain)

    async def rotate(self, domain: str, *, force: bool = False) -> SendingDomain:
        """Bring a rotation one step further: make the next keys, or let those that DNS shows take over.

        `force`: let waiting keys take over although DNS does not show them.

        Raises:
            InvalidDomainError, DomainNotFoundError: there is no such domain.
            NotPublishedError: there are keys that wait, and DNS shows none of them.
            LookupFailedError: this machine has no resolver.
        """
        found = await self.get(domain)
        waiting = found.keys_in(KeyState.NEXT)
        if not waiting:
            return await self._make_next(found)
        published = {key.selector for key in waiting}
        if not force:
            doctor = await self._doctor(found, self._open_resolver(self._settings.domain))
            await doctor.look_for_keys()
            published &= doctor.published
        if not published:
            missing = ", ".join(key.name for key in waiting)
            raise NotPublishedError(f"DNS does not show {missing} yet: publish the records, or use force.")
        await self._activate(found, published)
        return await self.repository.get(found.domain)

    async def whose(self, address: str) -> ReturnPath:
        """Return which message a return path belongs to.

        Raises:
            InvalidSignatureError: we did not make it.
        """
        bounced = ReturnPaths(self._secret, "").read(address)
        row = None
        if bounced.campaign_id is not None:
            row = await self._database.pool.fetchrow(sql.recipient, *bounced)
        return ReturnPath(*bounced, *(row or (None, None)))

    async def _make_next(self, domain: SendingDomain) -> SendingDomain:
        made = [await keys.make(self._vault, domain.domain, algorithm) for algorithm in Algorithm]
        async with self._database.pool.acquire() as connection, connection.transaction():
            await self.repository.lock(connection, domain.domain)
            await self.repository.forget_retired(connection, domain.domain, self._settings.domain.retire_days)
            if not (await self.repository.get(domain.domain, connection)).keys_in(KeyState.NEXT):
                for key in made:
                    await self.repository.insert_key(connection, domain.domain, key)
        return await self.repository.get(domain.domain)

    async def _activate(self, domain: SendingDomain, selectors: set[str]) -> None:
        """Let waiting keys among `selectors` sign; who rotates at the same time waits, and changes nothing twice."""
        async with self._database.pool.acquire() as connection, connection.transaction():
            await self.repository.lock(connection, domain.domain)
            now = await self.repository.get(domain.domain, connection)
            ready: Sequence[Algorithm] = [
                key.algorithm for key in now.keys_in(KeyState.NEXT) if key.selector in selectors
            ]
            if ready:
                await self.repository.activate(connection, domain.domain, ready)

    async def _doctor(self, domain: SendingDomain, resolver: Resolver) -> Doctor:
        outlets = (await self.outlets()).of(domain.domain)
        gmail = await self.gmail(domain)
        return Doctor(Patient(domain, self._settings, resolver, outlets, self._smtp_port), gmail)
