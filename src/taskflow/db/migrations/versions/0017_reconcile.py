"""Uncertain messages are asked for at their providers."""

from taskflow.db.migrations.scripts import run_script

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Allow the policy, and remember what is asked."""
    run_script("0017_reconcile.sql")


def downgrade() -> None:
    """Take both away: what was to be asked about is held."""
    run_script("0017_reconcile.down.sql")
