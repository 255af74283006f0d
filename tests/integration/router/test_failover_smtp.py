"""Two real mail servers: the first loses its password, the second takes over, the first comes back."""

from collections.abc import Sequence

from support.routing import BULK, DEADLINE, Clock, board, mails, routing
from support.scripted_smtp import ScriptedSmtp, hang_up
from taskflow.broker.redis.broker import RedisBroker
from taskflow.db.pool import Database
from taskflow.delivery.outcome import Outcome, OutcomeKind
from taskflow.delivery.providers.contract import Mail
from taskflow.delivery.router.carrier import RoutedCarrier
from taskflow.delivery.router.models import BreakerState, Route
from taskflow.delivery.smtp import Envelope, SmtpPool
from taskflow.delivery.smtp.causes import with_cause
from taskflow.settings import SmtpSettings

K = OutcomeKind
AUTH = ("PIPELINING", "AUTH PLAIN")
ROUTES = (Route("first"), Route("second", priority=2))
WRONG = "535 5.7.8 Authentication credentials invalid"


class Smtp:
    """Our SMTP client as a provider, with a connection for each window: the password is asked for each time."""

    def __init__(self, server: ScriptedSmtp) -> None:
        self.settings = SmtpSettings(
            host="127.0.0.1", port=server.port, security="none", username="ada", password="secret", data_timeout=5
        )

    async def send(self, mails: Sequence[Mail], deadline: float) -> list[Outcome]:
        pool = SmtpPool(self.settings)
        try:
            async with pool.session() as session:
                envelopes = [Envelope(mail.mail_from, mail.rcpt_to, mail.body) for mail in mails]
                return [with_cause(outcome) for outcome in await session.send_window(envelopes, deadline)]
        finally:
            await pool.close()


def sign_ins(server: ScriptedSmtp) -> int:
    return sum(line.startswith(b"AUTH") for line in server.commands)


async def test_wrong_credentials_move_everything_to_the_second_until_the_first_has_passed_its_probes(
    database: Database, broker: RedisBroker, clock: Clock
) -> None:
    routes = board(database, broker, *ROUTES, clock=clock)
    async with (
        ScriptedSmtp(AUTH) as first,
        ScriptedSmtp(AUTH) as second,
        routing(database, broker, *ROUTES, clock=clock) as router,
    ):
        carrier = RoutedCarrier(router, {"first": Smtp(first), "second": Smtp(second)}, BULK)

        async def send(count: int = 10) -> dict[str, int]:
            found = await carrier.send(mails(*(f"r{n}@example.com" for n in range(count))), DEADLINE)
            assert {outcome.kind for outcome, _ in found} == {K.ACCEPTED}
            names = [name for _, name in found]
            return {name: names.count(name) for name in set(names)}

        assert await send() == {"first": 10}

        first.always("AUTH", WRONG)
        before = sign_ins(first)
        assert await send(1) == {"second": 1}
        [broken, _] = await routes.look()
        assert (broken.breaker, broken.waiting) == (
            BreakerState.OPEN,
            f"The circuit breaker of first is open. Its credentials are refused: {WRONG}",
        )
        tried = sign_ins(first)
        assert tried == before + 1  # once is enough
        for _ in range(5):
            assert await send() == {"second": 10}
        assert sign_ins(first) == tried  # it is left alone

        for _ in range(2):  # half-open: one message at a time, which fails and goes to the second
            clock.pass_by(30)
            tried = sign_ins(first)
            assert await send() == {"second": 10}
            assert sign_ins(first) == tried + 1
            assert await send() == {"second": 10}
            assert sign_ins(first) == tried + 1

        first.never_mind("AUTH")
        clock.pass_by(60)
        for _ in range(3):
            assert await send() == {"first": 1, "second": 9}
        assert await send() == {"first": 10}
        assert len(first.messages) == 10 + 3 + 10


async def test_a_message_that_was_cut_off_after_its_last_dot_does_not_go_to_the_second(
    database: Database, broker: RedisBroker, clock: Clock
) -> None:
    async with (
        ScriptedSmtp(AUTH) as first,
        ScriptedSmtp(AUTH) as second,
        routing(database, broker, *ROUTES, clock=clock) as router,
    ):
        carrier = RoutedCarrier(router, {"first": Smtp(first), "second": Smtp(second)}, BULK)
        first.always("DOT", hang_up)
        ends = [(await carrier.send(mails(f"r{n}@example.com"), DEADLINE))[0] for n in range(7)]
    # Five of them open the breaker; from then on messages go to the second.
    assert [(outcome.kind, name) for outcome, name in ends] == [(K.UNCERTAIN, "first")] * 5 + [
        (K.ACCEPTED, "second")
    ] * 2
    assert (first.unused, len(first.messages), len(second.messages)) == ({}, 0, 2)
