"""Foundation: engine, campaigns, identity, the sandbox inbox."""

from taskflow.db.migrations.scripts import run_script

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""
    run_script("0001_foundation.sql")


def downgrade() -> None:
    """Drop them."""
    run_script("0001_foundation.down.sql")
