"""A provider has prices by the beginning of the number."""

from taskflow.db.migrations.scripts import run_script

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add them, and the one function that finds a price."""
    run_script("0024_prices.sql")


def downgrade() -> None:
    """Take them away."""
    run_script("0024_prices.down.sql")
