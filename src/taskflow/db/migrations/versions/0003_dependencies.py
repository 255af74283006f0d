"""Dependencies: tasks that wait for other tasks."""

from taskflow.db.migrations.scripts import run_script

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table of edges, its one function, and the columns of tasks that count them."""
    run_script("0003_dependencies.sql")


def downgrade() -> None:
    """Drop them; tasks that still wait for a parent are cancelled."""
    run_script("0003_dependencies.down.sql")
