"""Keys that may do nothing but send."""

from taskflow.db.migrations.scripts import run_script

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns."""
    run_script("0026_narrow_keys.sql")


def downgrade() -> None:
    """Take them away."""
    run_script("0026_narrow_keys.down.sql")
