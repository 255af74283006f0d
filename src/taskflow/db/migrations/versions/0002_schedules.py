"""Schedules: tasks that start again and again, or once at an instant."""

from taskflow.db.migrations.scripts import run_script

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""
    run_script("0002_schedules.sql")


def downgrade() -> None:
    """Drop them."""
    run_script("0002_schedules.down.sql")
