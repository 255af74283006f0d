"""Preferences of providers, and limits of recipient domains."""

from taskflow.db.migrations.scripts import run_script

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add them."""
    run_script("0022_preferences_and_domain_limits.sql")


def downgrade() -> None:
    """Take them away."""
    run_script("0022_preferences_and_domain_limits.down.sql")
