"""What a page of docs/ names: its tables by section, and the tests in them."""

import ast
import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
ATLAS = re.compile(r"AML\.T\d{4}(?:\.\d{3})?")


def tables(page: str) -> dict[str, list[dict[str, str]]]:
    """Return the rows of all tables of `page` by section, each as {column: cell}."""
    found: dict[str, list[dict[str, str]]] = {}
    section, header = "", []
    for line in page.splitlines():
        if line.startswith("#"):
            section = line.lstrip("# ")
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if not line.startswith("|"):
            header = []
        elif not header:
            header = cells
        elif set(line) - set("|-: "):
            assert len(cells) == len(header), f"{section}: {line}"
            found.setdefault(section, []).append(dict(zip(header, cells, strict=True)))
    return found


@cache
def tests_in(file: str) -> frozenset[str]:
    """Return the names of the tests in a file of tests/, none where there is no such file."""
    if not (ROOT / file).is_file():
        return frozenset()
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    named = (n for n in tree.body if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef))
    return frozenset(n.name for n in named if n.name.startswith("test_"))


def missing(text: str) -> list[str]:
    """Return the tests that `text` names and that do not exist."""
    return [f"{file}::{name}" for file, name in TEST.findall(text) if name not in tests_in(file)]
