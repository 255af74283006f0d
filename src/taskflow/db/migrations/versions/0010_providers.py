"""Providers: who carries messages."""

from taskflow.db.migrations.scripts import run_script

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table."""
    run_script("0010_providers.sql")


def downgrade() -> None:
    """Take it away."""
    run_script("0010_providers.down.sql")
