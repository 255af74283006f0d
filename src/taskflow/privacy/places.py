"""Every place in PostgreSQL where text can stand, as the catalogue tells it, and the statements that search them."""

from collections import defaultdict
from dataclasses import dataclass

from taskflow.db.pool import Connection, Pool
from taskflow.db.queries import load
from taskflow.privacy.subject import ERASED

sql = load(__file__)

OWN = frozenset(
    {
        ("users", "email"),
        ("audit_log", "actor"),
        ("campaigns", "from_email"),
        ("campaigns", "reply_to"),
        ("messages", "from_address"),
        ("mailing_lists", "confirm_from"),
        ("providers", "settings"),
    }
)
"""Whoever works here, or writes from here: that is no business of an erasure. What is found is counted and told."""

ERASURE = frozenset({("erasures", "email"), ("erasures", "phone")})
"""Forgotten with the end of the erasure itself."""

BINARY = frozenset(
    {
        ("idempotency_keys", "response_body"),
        ("inbox_messages", "raw"),
        ("import_chunks", "data"),
        ("message_contents", "content"),
        ("message_submissions", "raw"),
    }
)
"""Bytes that may be text; each has a statement of its own. Other columns of bytes hold hashes and keys."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column that can hold text. `is_key`: no two rows may have the same."""

    table: str
    name: str
    type: str
    is_key: bool

    @property
    def place(self) -> str:
        """Return how reports call it."""
        return f"{self.table}.{self.name}"

    @property
    def _text(self) -> str:
        return f'"{self.name}"' if self.type in ("text", "character varying") else f'"{self.name}"::text'

    def holds(self) -> str:
        """Return the condition that it names the person: `$1` are the needles, `$2` the pattern."""
        return f"({self._text} ILIKE ANY ($1::text[]) AND {self._text} ~* $2)"

    def without(self) -> str:
        """Return the assignment that takes the person out."""
        mark = f"'{ERASED[:-1]} ' || gen_random_uuid() || ']'" if self.is_key else f"'{ERASED}'"
        return f"\"{self.name}\" = regexp_replace({self._text}, $2, {mark}, 'gi')::{self.type}"


async def places(where: Pool | Connection) -> dict[str, list[Column]]:
    """Return the columns to look through, by table."""
    found: defaultdict[str, list[Column]] = defaultdict(list)
    for row in await where.fetch(sql.text_columns):
        column = Column(row["table_name"], row["name"], row["type"], row["is_key"])
        if (column.table, column.name) not in ERASURE:
            found[column.table].append(column)
    return dict(found)


def count_statement(columns: list[Column]) -> str:
    """Return the statement that counts, for each of a table's columns, the rows that name the person."""
    sums = ", ".join(f"count(*) FILTER (WHERE {column.holds()})" for column in columns)
    return f'SELECT {sums} FROM "{columns[0].table}"'  # noqa: S608 - names from the catalogue


def redact_statement(columns: list[Column]) -> str:
    """Return the statement that takes the person out of each of a table's columns."""
    changes = ", ".join(column.without() for column in columns)
    anywhere = " OR ".join(column.holds() for column in columns)
    return f'UPDATE "{columns[0].table}" SET {changes} WHERE {anywhere}'  # noqa: S608 - names from the catalogue


def split_own(columns: list[Column]) -> tuple[list[Column], list[Column]]:
    """Part the columns that are to be cleaned from those that stay."""
    cleaned = [column for column in columns if (column.table, column.name) not in OWN]
    return cleaned, [column for column in columns if (column.table, column.name) in OWN]
