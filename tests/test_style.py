"""Holds the numbers of our style: sizes, nesting, types, docstrings, layers, and a test for each module.

Needs nothing but the standard library, except for the layer tests, which import each package in a fresh interpreter."""

import ast
import subprocess
import sys
import tokenize
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
CODE = ["dashboard.py", *(f"{folder}/**/*.py" for folder in ("pages", "fluxgym", "trainer", "tests"))]
FILES = sorted({path for pattern in CODE for path in ROOT.glob(pattern) if "__pycache__" not in path.parts})
TYPED = [path for path in FILES if path.relative_to(ROOT).parts[0] in ("fluxgym", "trainer")]
FUNCTION, LOOP_FUNCTION, FILE, PARAMETERS, NESTING, TWIN = 60, 100, 400, 7, 4, 12
LOOP = ("trainer/loop.py", "train")  # the training loop alone may reach LOOP_FUNCTION lines
BLOCKS = (ast.If, ast.For, ast.While, ast.With, ast.Try, ast.Match, ast.AsyncFor, ast.AsyncWith)
STRINGS = {tokenize.STRING, getattr(tokenize, "FSTRING_MIDDLE", tokenize.STRING)}  # f-strings have parts since Python 3.12
Function = ast.FunctionDef | ast.AsyncFunctionDef
TOP_LEVEL = {"dashboard.py", "pages", "fluxgym", "trainer", "outputs", "tests", "requirements.txt", "README.md"}
TOP_LEVEL |= {"pyproject.toml", "CHANGELOG.md", "LICENSE", "docs", "datasets", "models"}


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def functions_of(tree: ast.AST) -> Iterator[Function]:
    return (node for node in ast.walk(tree) if isinstance(node, Function))


def deepest(body: list[ast.stmt], depth: int = 0) -> int:
    """Nesting of blocks; an elif counts as its if, a nested function starts anew."""
    found = depth
    for node in body:
        if isinstance(node, BLOCKS):
            for branch in blocks_in(node):
                is_elif = (
                    isinstance(node, ast.If) and branch is node.orelse and len(branch) == 1 and isinstance(branch[0], ast.If)
                )
                found = max(found, deepest(branch, depth if is_elif else depth + 1))
    return found


def blocks_in(node: ast.stmt) -> list[list[ast.stmt]]:
    handlers = [handler.body for handler in getattr(node, "handlers", [])]
    cases = [case.body for case in getattr(node, "cases", [])]
    return [getattr(node, name) for name in ("body", "orelse", "finalbody") if getattr(node, name, None)] + handlers + cases


def is_nothing(line: ast.stmt) -> bool:
    return isinstance(line, ast.Pass) or (isinstance(line, ast.Expr) and isinstance(line.value, ast.Constant))


def is_code(line: str) -> bool:
    """Whether a comment would run: a statement that does something, or the head of a block."""
    if not line.startswith("# "):
        return False
    try:
        (statement,) = ast.parse(line[2:] + (" pass" if line.endswith(":") else "")).body
    except (SyntaxError, ValueError):
        return False
    if isinstance(statement, ast.AnnAssign):
        return statement.value is not None
    return isinstance(statement.value, ast.Call) if isinstance(statement, ast.Expr) else True


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_sizes(path: Path) -> None:
    text, tree = path.read_text(encoding="utf-8"), tree_of(path)
    assert len(text.splitlines()) <= FILE, f"over {FILE} lines"
    for function in functions_of(tree):
        lines = (function.end_lineno or 0) - function.lineno + 1
        limit = LOOP_FUNCTION if (name_of(path), function.name) == LOOP else FUNCTION
        assert lines <= limit, f"{function.name}: {lines} lines, expected at most {limit}"
        args = function.args
        count = len([arg for arg in [*args.posonlyargs, *args.args, *args.kwonlyargs] if arg.arg not in ("self", "cls")])
        assert count <= PARAMETERS, f"{function.name}: {count} parameters, expected at most {PARAMETERS}; make a dataclass"
        assert deepest(function.body) <= NESTING, f"{function.name}: nested deeper than {NESTING}"


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_words(path: Path) -> None:
    tree, relative = tree_of(path), path.relative_to(ROOT)
    assert ast.get_docstring(tree), "the module has no docstring"
    assert relative.name not in ("utils.py", "helpers.py", "common.py"), "a module is named after a noun"
    with path.open("rb") as file:
        for token in tokenize.tokenize(file.readline):
            is_string = token.type in STRINGS
            assert is_string or token.string.isascii(), f"line {token.start[0]}: outside of strings, source is ASCII"


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_never(path: Path) -> None:
    for node in ast.walk(tree_of(path)):
        where = f"line {getattr(node, 'lineno', 0)}"
        if isinstance(node, ast.ExceptHandler):
            assert node.type is not None, f"{where}: a bare except"
            assert not all(is_nothing(line) for line in node.body), f"{where}: an exception is swallowed"
        if isinstance(node, ast.ImportFrom):
            names = {alias.name for alias in node.names}
            assert "*" not in names, f"{where}: import *"
            assert node.module != "sys" or "path" not in names, f"{where}: sys.path is edited"
        if isinstance(node, ast.keyword) and node.arg == "shell":
            assert not (isinstance(node.value, ast.Constant) and node.value.value is True), f"{where}: shell=True"
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            assert (node.value.id, node.attr) != ("sys", "path"), f"{where}: sys.path is edited"


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_no_commented_out_code(path: Path) -> None:
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        assert not is_code(line.strip()), f"line {number}: commented-out code: {line.strip()}"


@pytest.mark.parametrize(
    "code", ["x = f(1)", "return x", "import os", "if a:", "for x in y:", "del x", "f(x)", "x += 1", "raise x"]
)
def test_commented_out_code_is_seen(code: str) -> None:
    assert is_code(f"# {code}")


@pytest.mark.parametrize(
    "prose", ["why, unit, shape or trap", "px", "noqa: E402", "(B, T)", "trap: a bar", "---- checking ----"]
)
def test_prose_is_no_code(prose: str) -> None:
    assert not is_code(f"# {prose}")


@pytest.mark.parametrize("path", TYPED, ids=name_of)
def test_types(path: Path) -> None:
    for function in functions_of(tree_of(path)):
        args = function.args
        every = [*args.posonlyargs, *args.args, *args.kwonlyargs, *filter(None, (args.vararg, args.kwarg))]
        bare = [arg.arg for arg in every if arg.annotation is None and arg.arg not in ("self", "cls")]
        assert not bare, f"{function.name}: parameters without a type: {bare}"
        assert function.returns is not None or function.name == "__init__", f"{function.name}: no return type"


@pytest.mark.parametrize("path", TYPED, ids=name_of)
def test_each_module_has_its_test(path: Path) -> None:
    relative = path.relative_to(ROOT)
    if relative.name == "__init__.py" and not list(functions_of(tree_of(path))):
        return
    stem = relative.parent.name if relative.name == "__init__.py" else relative.stem.strip("_")
    test = ROOT / "tests" / relative.parent / f"test_{stem}.py"
    assert test.is_file(), f"{name_of(test)} is missing"


def test_no_twins() -> None:
    """No two functions have the same body of TWIN lines or more."""
    seen = defaultdict(list)
    for path in FILES:
        for function in functions_of(tree_of(path)):
            if (function.end_lineno or 0) - function.body[0].lineno + 1 >= TWIN:
                seen[ast.dump(ast.Module(function.body, []))].append(f"{name_of(path)}:{function.name}")
    assert [twins for twins in seen.values() if len(twins) > 1] == []


def test_top_level() -> None:
    there = {path.name for path in ROOT.iterdir() if not path.name.startswith(".") and path.name != "__pycache__"}
    assert there - TOP_LEVEL == set()


LAYERS = [
    ("trainer.config", {"torch", "streamlit", "fluxgym"}),
    ("trainer.folder", {"torch", "pydantic", "fluxgym"}),
    ("trainer", {"streamlit", "fluxgym"}),
    ("fluxgym.__main__", {"torch", "streamlit", "plotly", "pandas"}),
    ("fluxgym.run", {"torch", "streamlit", "pydantic", "plotly", "pandas", "fluxgym.view", "fluxgym.notify"}),
    ("fluxgym.log", {"torch", "streamlit", "pydantic", "numpy", "plotly", "pandas", "fluxgym.run", "fluxgym.view"}),
    ("fluxgym.view", {"torch", "streamlit"}),
    ("fluxgym.dataset", {"torch", "streamlit"}),
    ("fluxgym.models", {"torch", "streamlit", "huggingface_hub"}),
    ("fluxgym.notify", {"torch", "streamlit", "apprise"}),
    ("fluxgym", {"torch"}),
]


@pytest.mark.parametrize(("module", "banned"), LAYERS, ids=[module for module, _ in LAYERS])
def test_layers(module: str, banned: set[str]) -> None:
    """Every module of a package is imported in a fresh interpreter; what must stay out of it has not come along."""
    script = (
        "import importlib, pkgutil, sys\n"
        f"module = importlib.import_module({module!r})\n"
        "for found in pkgutil.walk_packages(getattr(module, '__path__', []), module.__name__ + '.'):\n"
        "    found.name.endswith('__main__') or importlib.import_module(found.name)\n"
        "print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert banned & set(done.stdout.split()) == set()


@pytest.mark.parametrize("path", [path for path in FILES if path.relative_to(ROOT).parts[0] == "pages"], ids=name_of)
def test_pages_are_short_and_only_draw(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) < 120
    imported = set()
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            imported.add(node.module)
    assert imported & {"subprocess", "re", "os", "os.path", "pathlib"} == set()
