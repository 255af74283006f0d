"""What mail servers took against what a campaign's ledger says, by Message-ID and recipient."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from benchmarks.figures import Figures
from benchmarks.sink import Sink, Taken
from benchmarks.system import System
from taskflow.delivery.message_ids import MessageIds


@dataclass(frozen=True)
class Ledger:
    """The rows of the one campaign of a system: (Message-ID, recipient) → status; and how fast they were sent."""

    rows: dict[tuple[str, str], str]
    seconds: float  # from the first SENDING to the last SENT

    @classmethod
    async def read(cls, system: System) -> "Ledger":
        """Read them."""
        secret = system.settings.secret_key
        assert secret is not None
        pool = system.database.pool
        message_ids = MessageIds(
            secret.get_secret_value().encode(), await pool.fetchval("SELECT from_email FROM campaigns")
        )
        rows = await pool.fetch("SELECT recipient_id, email, status FROM email_recipients")
        seconds = await pool.fetchval(
            "SELECT extract(epoch FROM max(sent_at) - min(sending_at))::float8 FROM email_recipients"
        )
        return cls({(message_ids.of(row["recipient_id"]), row["email"]): row["status"] for row in rows}, seconds)


@dataclass(frozen=True)
class Balance:
    """Who got nothing without being UNCERTAIN, what somebody got again, and what is UNCERTAIN."""

    lost: int
    doubled: int
    uncertain: set[str]  # Message-IDs

    @classmethod
    def of(cls, ledger: Ledger, taken: Iterable[Taken]) -> "Balance":
        """Compare. A mail that the ledger knows nothing of is an error of the comparison."""
        times = Counter((one.message_id, one.recipient) for one in taken)
        assert times.keys() <= ledger.rows.keys(), "a sink has taken what is not in the ledger"
        uncertain = {key for key, status in ledger.rows.items() if status == "UNCERTAIN"}
        lost = ledger.rows.keys() - times.keys() - uncertain
        return cls(len(lost), sum(times.values()) - len(times), {message_id for message_id, _ in uncertain})

    @classmethod
    def over(cls, ledger: Ledger, *sinks: Sink) -> "Balance":
        """Compare with what all of these sinks took."""
        return cls.of(ledger, [one for sink in sinks for one in sink.taken()])

    def publish(self, figures: Figures, metric: str, ledger: Ledger) -> None:
        """Add it to the figures."""
        figures.add(f"{metric}.lost", self.lost, "mails")
        figures.add(f"{metric}.doubled", self.doubled, "mails")
        figures.add(f"{metric}.uncertain", len(self.uncertain), "mails")
        figures.add(f"{metric}.messages_per_s", len(ledger.rows) / ledger.seconds, "msg/s")
