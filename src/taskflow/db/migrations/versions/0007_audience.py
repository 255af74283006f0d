"""Contacts, lists, consent, segments, imports, suppression, audiences of campaigns."""

from taskflow.db.migrations.scripts import run_script

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns, create the tables."""
    run_script("0007_audience.sql")


def downgrade() -> None:
    """Take them away."""
    run_script("0007_audience.down.sql")
