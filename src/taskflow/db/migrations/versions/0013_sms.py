"""Text messages: DLT templates, replies, keywords, delivery reports."""

from taskflow.db.migrations.scripts import run_script

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""
    run_script("0013_sms.sql")


def downgrade() -> None:
    """Take them away."""
    run_script("0013_sms.down.sql")
