"""Write docs/explanation/schema.md from a freshly migrated database; `--check` only compares."""

import asyncio
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from taskflow.db import migrate
from taskflow.embedded import EmbeddedServers

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "explanation" / "schema.md"

TABLES = """
SELECT c.oid, c.relname AS name, c.relkind = 'p' AS partitioned, pg_get_partkeydef(c.oid) AS partition_key,
       array_to_string(c.reloptions, ', ') AS storage, obj_description(c.oid, 'pg_class') AS comment
FROM pg_class c
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
  AND c.relname <> 'alembic_version'
ORDER BY c.relname
"""
COLUMNS = """
SELECT a.attname AS name, format_type(a.atttypid, a.atttypmod) AS type, a.attnotnull AS required,
       pg_get_expr(d.adbin, d.adrelid) AS preset, col_description(a.attrelid, a.attnum) AS comment
FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attnum
"""
CONSTRAINTS = """
SELECT contype::text AS kind, pg_get_constraintdef(oid) AS definition, confrelid::regclass::text AS target
FROM pg_constraint WHERE conrelid = $1 AND contype IN ('p', 'u', 'f', 'c') ORDER BY contype, conname
"""
INDEXES = """
SELECT pg_get_indexdef(i.indexrelid) AS definition
FROM pg_index i WHERE i.indrelid = $1
  AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.indexrelid AND k.contype IN ('p', 'u'))
ORDER BY i.indexrelid::regclass::text
"""

HEAD = """\
# The schema

Generated from the migrations by `python tools/schema_doc.py`; `make check` fails when it is stale. Why the tables look
like this (no index on status, fillfactor, no foreign keys among the large ones, partitions by time) is told in the
decision records under `docs/adr/`.

Foreign keys join small tables only; the lines below are those:

```mermaid
erDiagram
{relations}
```
"""


@dataclass(frozen=True)
class Section:
    """One table's part of the page."""

    text: str
    relations: list[str]


async def describe(url: str) -> str:
    """Return the page for the database at `url`."""
    await migrate.upgrade(url)
    connection = await asyncpg.connect(url)
    try:
        sections = [await _section(connection, table) for table in await connection.fetch(TABLES)]
    finally:
        await connection.close()
    relations = sorted({relation for section in sections for relation in section.relations})
    return HEAD.format(relations="\n".join(relations)) + "".join(section.text for section in sections)


async def _section(connection: asyncpg.Connection, table: asyncpg.Record) -> Section:
    lines = ["", f"## {table['name']}", ""]
    if table["comment"]:
        lines += [table["comment"], ""]
    facts = [f"partitioned by {table['partition_key']}"] if table["partitioned"] else []
    facts += [table["storage"]] if table["storage"] else []
    if facts:
        lines += [f"*{'; '.join(facts)}*", ""]
    lines += ["| column | type | null | default |", "|---|---|---|---|"]
    for column in await connection.fetch(COLUMNS, table["oid"]):
        preset = f"`{_cell(column['preset'])}`" if column["preset"] else ""
        lines.append(f"| {column['name']} | {column['type']} | {'' if column['required'] else 'yes'} | {preset} |")
    constraints = await connection.fetch(CONSTRAINTS, table["oid"])
    lines += ["", *(f"- `{_line(one['definition'])}`" for one in constraints)]
    lines += [f"- `{_line(one['definition'])}`" for one in await connection.fetch(INDEXES, table["oid"])]
    relations = [f"    {one['target']} ||--o{{ {table['name']} : has" for one in constraints if one["kind"] == "f"]
    return Section("\n".join(lines) + "\n", relations)


def _line(text: str) -> str:
    return " ".join(text.replace("ON public.", "ON ").replace("ON ONLY public.", "ON ").split())


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def main() -> int:
    """Write the page, or compare it."""
    with (
        tempfile.TemporaryDirectory() as folder,
        EmbeddedServers(Path(folder) / "home", durable=False, redis=False) as servers,
    ):
        page = asyncio.run(describe(servers.database_url))
    if "--check" in sys.argv[1:]:
        if not PAGE.exists() or PAGE.read_text() != page:
            print(f"{PAGE.relative_to(ROOT)} is stale: python tools/schema_doc.py")
            return 1
        return 0
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(page)
    print(f"wrote {PAGE.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
