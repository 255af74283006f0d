"""A provider has prices by the beginning of the number."""

from taskflow.db.migrations.scripts import run_script

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add them, and the one function that finds a price."""
    run_script("0025_prices.sql")


def downgrade() -> None:
    """Take them away."""
    run_script("0025_prices.down.sql")
