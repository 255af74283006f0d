"""What the router must not forget: use of providers, words of persons on breakers, and how breakers changed."""

from taskflow.db.migrations.scripts import run_script

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""
    run_script("0014_router.sql")


def downgrade() -> None:
    """Drop them."""
    run_script("0014_router.down.sql")
