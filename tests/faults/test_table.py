"""README's table of what a run survives and the cases here agree: each case has one row, each row its case."""

import ast
import re
from pathlib import Path

HERE = Path(__file__).parent
README = (HERE.parent.parent / "README.md").read_text(encoding="utf-8")


def cases() -> list[str]:
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in HERE.glob("test_*.py") if path != Path(__file__)]
    functions = [node.name for tree in trees for node in tree.body if isinstance(node, ast.FunctionDef)]
    return [name for name in functions if name.startswith("test_")]


def rows() -> list[list[str]]:
    [section] = re.findall(r"\n## What it survives\n(.*?)\n## ", README, re.S)
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if line.startswith("| ")]
    return [row for row in cells[1:] if not row[0].startswith("**")]


def test_each_case_has_its_row_and_each_row_its_case() -> None:
    told = [re.fullmatch(r"`(test_\w+)`", test) for _, _, test in rows()]
    assert sorted(match[1] if match else "" for match in told) == sorted(cases())


def test_each_row_says_what_is_done_and_what_is_seen() -> None:
    assert len(rows()) >= 30
    assert all(done and seen for done, seen, _ in rows())
