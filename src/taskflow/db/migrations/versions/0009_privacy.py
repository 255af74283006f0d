"""Erasures of persons."""

from taskflow.db.migrations.scripts import run_script

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns, create the tables."""
    run_script("0009_privacy.sql")


def downgrade() -> None:
    """Take them away."""
    run_script("0009_privacy.down.sql")
