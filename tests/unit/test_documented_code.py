"""Python that a page shows can be read, and what it imports from TaskFlow is there."""

import ast
import re
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted({*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/**/*.md")})
_BLOCK = re.compile(r"^```python[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def missing(code: str) -> list[str]:
    """Return what a piece of code takes from TaskFlow that is not there."""
    tree = compile(code, "<page>", "exec", ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    return [
        f"{node.module}.{name.name}"
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("taskflow")
        for name in node.names
        if not hasattr(import_module(str(node.module)), name.name)
    ]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_code_on_the_page_can_be_read_and_imported(page: Path) -> None:
    assert not [name for code in _BLOCK.findall(page.read_text(encoding="utf-8")) for name in missing(code)]


def test_a_wrong_import_is_seen() -> None:
    assert missing("from taskflow.engine import task, tusk\nawait task") == ["taskflow.engine.tusk"]
