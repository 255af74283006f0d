"""Texts through the ledger of messages."""

from taskflow.db.migrations.scripts import run_script

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add what a text has."""
    run_script("0016_text_messages.sql")


def downgrade() -> None:
    """Take it away."""
    run_script("0016_text_messages.down.sql")
