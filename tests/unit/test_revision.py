"""The newest revision is known without Alembic."""

import subprocess
import sys
from pathlib import Path

from alembic.script import ScriptDirectory

from taskflow.db import migrate, revision


def test_file_names_and_alembic_agree_on_the_newest_revision() -> None:
    scripts = ScriptDirectory(str(Path(migrate.__file__).parent / "migrations"))
    assert revision.head() == scripts.get_current_head()


def test_the_api_does_not_load_alembic_or_sqlalchemy() -> None:
    code = (
        "import sys, taskflow.api.server\n"
        "heavy = {'alembic', 'sqlalchemy'} & set(sys.modules)\n"
        "sys.exit(f'loaded {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
