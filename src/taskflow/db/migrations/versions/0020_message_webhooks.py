"""Webhooks hear of single messages."""

from taskflow.db.migrations.scripts import run_script

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add what tells them."""
    run_script("0020_message_webhooks.sql")


def downgrade() -> None:
    """Take it away."""
    run_script("0020_message_webhooks.down.sql")
