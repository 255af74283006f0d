"""Templates with versions and variants, snippets, media."""

from taskflow.db.migrations.scripts import run_script

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns, create the tables."""
    run_script("0008_content.sql")


def downgrade() -> None:
    """Take them away."""
    run_script("0008_content.down.sql")
