"""Documented things are true: links resolve, settings parse, verbs exist, each file of a run is in the table."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from trainer.config import parse_config
from trainer.folder import RunFolder

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("trainer/**/*.md")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_resolve(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), f"{target} does not exist"


def test_settings_in_readme_parse() -> None:
    (block,) = re.findall(r"```toml\n(.*?)```", README, re.S)
    assert parse_config(tomllib.loads(block)).name == "my-lora"


def test_what_a_job_asks_for_in_its_manual_parses() -> None:
    (block,) = re.findall(r"```toml\n(.*?)```", (ROOT / "docs/slurm.md").read_text(encoding="utf-8"), re.S)
    said = {"name": "x", "model": {"base": "x"}, "data": {"folder": "x"}} | tomllib.loads(block)
    assert set(said["slurm"]) == set(parse_config(said).slurm.model_dump()), "all of it is in the manual"


def test_verbs_in_readme_exist() -> None:
    verbs = set(re.findall(r"python -m fluxgym (\w+)", README))
    done = subprocess.run([sys.executable, "-m", "fluxgym", "--help"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert verbs | {"sample"} == set(re.findall(r"^    (\w+) ", done.stdout, re.M))  # `sample` is named beside save
    for verb in verbs:
        done = subprocess.run([sys.executable, "-m", "fluxgym", verb, "--help"], cwd=ROOT, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr


def test_verbs_in_the_manuals_are_those_of_readme() -> None:
    for page in PAGES:
        verbs = set(re.findall(r"python -m fluxgym (\w+)", page.read_text(encoding="utf-8")))
        assert verbs <= set(re.findall(r"python -m fluxgym (\w+)", README)), page.name


def test_run_folder_table_names_every_path() -> None:
    folder = RunFolder(Path("outputs/<name>"))
    paths = [value.fget(folder) for value in vars(RunFolder).values() if isinstance(value, property)]
    for path in [
        *(path for path in paths if isinstance(path, Path)),
        folder.epoch_lora(4),
        folder.step_lora(123),
        folder.epoch_state(4),
        folder.step_state(123),
    ]:
        top = path.relative_to(folder.path).parts[0]
        assert f"`{top}`" in README or f"`{top}/`" in README, f"{top} is not in README's table"


def test_benchmarks_in_readme_exist() -> None:
    """Each row of the table of figures names the script that prints it, and each script is in the table."""
    scripts = {path.stem for path in (ROOT / "tests/benchmarks").glob("*.py") if "__main__" in path.read_text(encoding="utf-8")}
    (table,) = re.findall(r"\| printed by \|\n(.*?)\n\n", README, re.S)
    printed_by = [re.search(r"`(\w+)[^`]*` \|$", row) for row in table.splitlines()[1:]]
    assert {row and row[1] for row in printed_by} == scripts
