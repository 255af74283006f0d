"""The id that a provider gave a campaign's message."""

from taskflow.db.migrations.scripts import run_script

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column."""
    run_script("0015_campaign_providers.sql")


def downgrade() -> None:
    """Take it away."""
    run_script("0015_campaign_providers.down.sql")
