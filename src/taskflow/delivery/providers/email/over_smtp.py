"""Mail over SMTP behind the contract of providers: our pool, and causes for what servers answer."""

from collections.abc import Sequence

from taskflow.base.failpoints import failpoint
from taskflow.delivery.outcome import Outcome
from taskflow.delivery.providers.contract import Mail, ProviderUnusableError
from taskflow.delivery.smtp import Envelope, SmtpPool
from taskflow.delivery.smtp.causes import with_cause
from taskflow.delivery.smtp.connection import ProviderFaultError


def replied(*_: object) -> None:
    """Stop here in tests: the server has taken a message, and nobody has written it down."""
    failpoint("after_reply_before_commit")


class SmtpMailProvider:
    """Sends windows over the connections of a pool."""

    def __init__(self, pool: SmtpPool, server: str) -> None:
        """`server`: how sentences call it."""
        self.pool = pool
        self._server = server

    @property
    def longest_send_seconds(self) -> float:
        """Return what the pool's time limits allow."""
        return self.pool.longest_send_seconds

    async def send(self, mails: Sequence[Mail], deadline: float) -> list[Outcome]:
        """Hand mails over, pipelined over one connection."""
        envelopes = [Envelope(mail.mail_from, mail.rcpt_to, mail.body) for mail in mails]
        async with self.pool.session() as session:
            return [with_cause(outcome) for outcome in await session.send_window(envelopes, deadline)]

    async def check(self) -> str:
        """Connect, sign in, and say what the server offers.

        Raises:
            ProviderUnusableError: it cannot be reached, or does not take the credentials.
        """
        try:
            async with self.pool.session() as session:
                features = await session.connect()
        except ProviderFaultError as fault:
            raise ProviderUnusableError(f"{self._server}: {fault.detail}") from fault
        offered = [
            name
            for name, has in (
                ("PIPELINING", features.pipelining),
                ("8BITMIME", features.eight_bit),
                ("SMTPUTF8", features.utf8),
            )
            if has
        ]
        limit = f", and takes messages of up to {features.max_size:,} bytes" if features.max_size else ""
        return f"Connected and signed in to {self._server}; it offers {', '.join(offered) or 'no extensions'}{limit}."

    async def close(self) -> None:
        """Say goodbye on idle connections; sessions still out end theirs."""
        await self.pool.close()
