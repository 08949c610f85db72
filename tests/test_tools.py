"""The tools agree: ruff formats and lints the tree, mypy checks the types. Settings: pyproject.toml."""

import subprocess
import sys
from pathlib import Path

import pytest

COMMANDS = [("ruff", "check", "."), ("ruff", "format", "--check", "."), ("mypy",)]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_tool_is_content(command: tuple[str, ...]) -> None:
    root = Path(__file__).parent.parent
    done = subprocess.run([sys.executable, "-m", *command], cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
