"""Keys that may do nothing but send."""

from taskflow.db.migrations.scripts import run_script

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns."""
    run_script("0025_narrow_keys.sql")


def downgrade() -> None:
    """Take them away."""
    run_script("0025_narrow_keys.down.sql")
