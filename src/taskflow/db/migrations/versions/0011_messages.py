"""Messages without a campaign, and the log over all messages."""

from taskflow.db.migrations.scripts import run_script

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables and the view."""
    run_script("0011_messages.sql")


def downgrade() -> None:
    """Take them away."""
    run_script("0011_messages.down.sql")
