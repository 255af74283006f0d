"""Queues as rows, limits, and the life of the dispatch."""

from taskflow.db.migrations.scripts import run_script

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables, and make room for longer dispatch keys."""
    run_script("0004_queues_and_limits.sql")


def downgrade() -> None:
    """Go back."""
    run_script("0004_queues_and_limits.down.sql")
