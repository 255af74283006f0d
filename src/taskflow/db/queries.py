"""Named SQL: `load(__file__)` reads the `queries.sql` beside a module into a namespace of statements.

A statement starts at `-- name: claim` and ends at the next name or the end of the file. The comment lines under
the name tell what it promises; they travel with it to the server, where `pg_stat_statements` shows them. A line
`-- include: chosen` stands for the block of that name: a condition that several statements share.
"""

import re
from functools import cache
from pathlib import Path
from types import SimpleNamespace

_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)
_INCLUDE = re.compile(r"^-- include: (\w+)$", re.MULTILINE)


@cache
def load(module_file: str, name: str = "queries.sql") -> SimpleNamespace:
    """Return the statements of `name` in the folder of `module_file`, each as an attribute."""
    parts = _NAME.split(Path(module_file).with_name(name).read_text(encoding="utf-8"))
    blocks = {key: body.strip().rstrip(";") for key, body in zip(parts[1::2], parts[2::2], strict=True)}
    return SimpleNamespace(**{key: _INCLUDE.sub(lambda match: blocks[match[1]], body) for key, body in blocks.items()})
