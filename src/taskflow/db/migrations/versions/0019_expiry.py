"""Messages that are not sent late."""

from taskflow.db.migrations.scripts import run_script

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column."""
    run_script("0019_expiry.sql")


def downgrade() -> None:
    """Take it away."""
    run_script("0019_expiry.down.sql")
