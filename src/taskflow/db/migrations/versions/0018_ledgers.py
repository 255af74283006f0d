"""What ledgers and suppressions forgot."""

from taskflow.db.migrations.scripts import run_script

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Let it be found and kept."""
    run_script("0018_ledgers.sql")


def downgrade() -> None:
    """Forget it again."""
    run_script("0018_ledgers.down.sql")
