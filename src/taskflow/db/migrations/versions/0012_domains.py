"""Sending domains, their DKIM keys, and what deliverability is judged by."""

from taskflow.db.migrations.scripts import run_script

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""
    run_script("0012_domains.sql")


def downgrade() -> None:
    """Take them away."""
    run_script("0012_domains.down.sql")
