"""Options of tasks: tags, expiry, payload versions, progress, unique keys."""

from taskflow.db.migrations.scripts import run_script

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns and the table."""
    run_script("0005_task_options.sql")


def downgrade() -> None:
    """Drop them."""
    run_script("0005_task_options.down.sql")
