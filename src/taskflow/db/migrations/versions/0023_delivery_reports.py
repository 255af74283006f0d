"""Webhooks hear whether texts were delivered."""

from taskflow.db.migrations.scripts import run_script

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add what tells them."""
    run_script("0023_delivery_reports.sql")


def downgrade() -> None:
    """Take it away."""
    run_script("0023_delivery_reports.down.sql")
