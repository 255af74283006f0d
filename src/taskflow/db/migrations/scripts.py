"""Runs a `.sql` file of `versions/` inside the migration's transaction: the schema is read as SQL, not as calls."""

from pathlib import Path

from alembic import op
from sqlalchemy.util import await_only

_VERSIONS = Path(__file__).parent / "versions"


def run_script(name: str) -> None:
    """Execute every statement of `versions/<name>` over asyncpg's simple protocol, which takes many at once."""
    connection = op.get_bind()
    connection.exec_driver_sql("SELECT 1")  # the adapter opens its transaction with its first statement
    driver = connection.connection.driver_connection
    assert driver is not None  # noqa: S101 - a checked-out connection has one
    await_only(driver.execute((_VERSIONS / name).read_text(encoding="utf-8")))
