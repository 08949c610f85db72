"""The look before a sweep: each problem once, the disk for all runs together."""

import shutil

import pytest

from fluxgym.form.check import find_shapes
from fluxgym.preflight.checks import preflight
from fluxgym.preflight.report import ERROR, WARNING
from fluxgym.run.care import FIRST_FREE
from fluxgym.run.folders import PROJECT
from fluxgym.sweep.axis import read_axes
from fluxgym.sweep.grid import plan_sweep, with_values
from fluxgym.sweep.look import look_at_sweep, preflight_sweep
from fluxgym.sweep.reader import Reader
from trainer.config import load_config
from trainer.mini import DEMO

FOLDER = PROJECT / load_config(DEMO).data.folder
pytestmark = pytest.mark.usefixtures("outputs")


def plan(reader, *said, **changes):
    return plan_sweep(with_values(load_config(DEMO), {"name": "s", **changes}), read_axes(list(said)), reader.plan)


def look(*said, **changes):
    reader = Reader()
    return look_at_sweep(plan(reader, *said, **changes), reader.find_sizes, FIRST_FREE)


def look_on_the_page(*said, **changes):
    trials = plan(Reader(lambda config: find_shapes(config.data.folder)), *said, **changes)
    return trials, preflight_sweep(trials, trials[0].config, FIRST_FREE)


def test_a_sweep_that_can_begin():
    assert [each for each in look("rank=4,8") if each.level == ERROR] == []


def test_a_model_that_cannot_be_used_is_told_once(tmp_path):
    (tmp_path / "empty").mkdir()
    found = [each for each in look("rank=4,8,16", **{"model.base": str(tmp_path / "empty")}) if each.level == ERROR]
    assert [each.subject for each in found] == ["s-rank4: model.base"]
    assert "model_index.json is missing or damaged" in found[0].what


def test_the_disk_must_hold_all_runs(monkeypatch):
    """Room for one of them is not enough: 12 images, of which each takes 4 MiB of what is kept of its caption."""
    free = shutil.disk_usage("/")._replace(free=200 * 2**20)
    monkeypatch.setattr("fluxgym.preflight.disk.shutil.disk_usage", lambda folder: free)
    assert [each for each in look("seed=1") if each.subject == "disk"] == []
    [disk] = [each for each in look("seed=1,2,3,4,5,6,7,8") if each.level in (ERROR, WARNING) and each.subject == "disk"]
    assert disk.level == ERROR and disk.what.startswith("needs about 0.4 GB, 0.2 GB are free")


def test_the_page_looks_at_all_runs_not_only_at_the_one_that_needs_most(tmp_path):
    folder = tmp_path / "others"
    shutil.copytree(FOLDER, folder)
    _, report = look_on_the_page(f"data.folder={FOLDER},{folder}")
    assert report.errors == []
    image = next(folder.glob("*.png"))
    image.write_bytes(image.read_bytes()[:-200])  # its size can be read, its last rows cannot
    trials, report = look_on_the_page(f"data.folder={FOLDER},{folder}")
    [error] = report.errors
    assert error.subject == f"{trials[1].name}: images" and image.name in error.what
    assert report.steps == trials[0].plan.total_steps


def test_on_the_page_too_the_disk_must_hold_all_runs(monkeypatch):
    free = shutil.disk_usage("/")._replace(free=200 * 2**20)
    monkeypatch.setattr("fluxgym.preflight.disk.shutil.disk_usage", lambda folder: free)
    assert look_on_the_page("seed=1,2")[1].errors == []
    [error] = look_on_the_page("seed=1,2,3,4,5,6,7,8")[1].errors
    assert error.subject == "disk" and error.what.startswith("needs about 0.4 GB, 0.2 GB are free")


def test_what_the_run_that_needs_most_has_is_said_once():
    _, report = look_on_the_page("seed=1,2,3")
    alone = preflight(look_on_the_page("seed=1")[0][0].config)
    assert [each.subject for each in report.findings] == [each.subject for each in alone.findings]
