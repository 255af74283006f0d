"""Files that come with a call."""

from taskflow.db.migrations.scripts import run_script

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column."""
    run_script("0021_message_files.sql")


def downgrade() -> None:
    """Take it away."""
    run_script("0021_message_files.down.sql")
