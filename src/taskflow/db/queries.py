"""Named SQL: `load(__file__)` reads the `queries.sql` beside a module into a namespace of statements.

A statement starts at `-- name: claim` and ends at the next name or the end of the file. The comment lines under
the name tell what it promises; they travel with it to the server, where `pg_stat_statements` shows them.
"""

import re
from functools import cache
from pathlib import Path
from types import SimpleNamespace

_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)


@cache
def load(module_file: str, name: str = "queries.sql") -> SimpleNamespace:
    """Return the statements of `name` in the folder of `module_file`, each as an attribute."""
    parts = _NAME.split(Path(module_file).with_name(name).read_text(encoding="utf-8"))
    return SimpleNamespace(
        **{key: body.strip().rstrip(";") for key, body in zip(parts[1::2], parts[2::2], strict=True)}
    )
