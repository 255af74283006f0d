"""Dead letters by fingerprint, with retry policies; webhooks; traces."""

from taskflow.db.migrations.scripts import run_script

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns, create the tables."""
    run_script("0006_signals.sql")


def downgrade() -> None:
    """Take them away."""
    run_script("0006_signals.down.sql")
