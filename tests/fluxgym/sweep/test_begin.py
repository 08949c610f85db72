"""A sweep is begun as any other runs are: all that are missing, none twice, nothing where one cannot be."""

import subprocess
import sys

import pytest

from fluxgym.form.form import read_values, write_values
from fluxgym.run.care import NONE, Care, read_care
from fluxgym.run.create import create_run
from fluxgym.run.folders import PROJECT
from fluxgym.run.launch import RunError, stop_run, wait_for_end
from fluxgym.run.places import PlaceError
from fluxgym.run.record import read_record
from fluxgym.run.settings import change_settings
from fluxgym.run.status import read_status
from fluxgym.sweep.axis import SweepError, read_axes
from fluxgym.sweep.begin import begin_sweep, find_missing, number_settings, resume_sweep, stop_sweep
from fluxgym.sweep.grid import plan_sweep, with_values
from fluxgym.sweep.mark import find_members, read_mark
from trainer.config import dump_config, load_config
from trainer.folder import RunFolder
from trainer.mini import DATASET, DEMO

AT_ONCE = Care(place=NONE)
NAMES = ["s-rank4", "s-rank8"]


def plan(*said, **changes):
    base = with_values(load_config(DEMO), {"name": "s", "model.base": "/none", **changes})
    return plan_sweep(base, read_axes(list(said or ["rank=4,8"])), lambda config: None)


def seen(outputs):
    """Whatever lies in the outputs, and since when."""
    return {path: path.stat().st_mtime_ns for path in outputs.rglob("*")}


def begin(trials, care=AT_ONCE, prepare=None):
    return [each.folder.name for each in begin_sweep("s", trials, care, prepare) if each.is_new]


def test_each_is_a_run_like_any_other_and_none_is_begun_twice(outputs):
    trials = plan()
    assert begin(trials, prepare=lambda folder, trial: write_values(folder, {"trigger": trial.name})) == NAMES
    for trial in trials:
        folder = RunFolder(outputs / trial.name)
        mark = read_mark(folder)
        assert (mark.sweep, mark.chosen, mark.begun_with) == ("s", trial.chosen, number_settings(trial.config))
        assert load_config(folder.config) == trial.config
        assert read_care(folder) == AT_ONCE
        assert read_values(folder)["trigger"] == trial.name
    assert [folder.name for folder in find_members("s")] == NAMES
    before = seen(outputs)
    assert begin(trials) == []
    assert find_missing("s", trials) == []
    assert seen(outputs) == before
    assert begin(plan("rank=4,2,8")) == ["s-rank2"]


def test_it_goes_on_where_it_broke_off(outputs):
    """Killed after the first, while the second was a folder with settings and no more."""
    trials = plan("rank=4,8,16")
    begun = begin_sweep("s", trials, AT_ONCE)
    assert next(begun).folder.name == "s-rank4"
    begun.close()
    create_run(trials[1].config)
    assert [trial.name for trial in find_missing("s", trials)] == ["s-rank8", "s-rank16"]
    assert begin(trials) == ["s-rank8", "s-rank16"]


def test_killed_in_the_middle_it_leaves_whole_runs_and_goes_on(outputs, tmp_path, wait_until):
    """A real process, killed while it begins them; the same command again."""
    seeds = 8
    path = tmp_path / "s.toml"
    settings = dump_config(load_config(DEMO)).replace('name = "demo"', 'name = "s"')
    path.write_text(settings)
    command = [sys.executable, "-m", "fluxgym", "sweep", str(path), "--set", f"seed={','.join(map(str, range(seeds)))}"]
    with subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.DEVNULL) as process:
        wait_until(lambda: len(find_members("s")) > 1)
        process.kill()
    begun = [folder for folder in find_members("s") if read_record(folder)]
    assert begun
    assert all(load_config(folder.config).train.seed == read_mark(folder).chosen["train.seed"] for folder in begun)
    subprocess.run(command, cwd=PROJECT, check=True, stdout=subprocess.DEVNULL)
    members = find_members("s")
    assert [read_mark(folder).chosen["train.seed"] for folder in members] == list(range(seeds))
    assert all(len(read_record(folder).attempts) == 1 for folder in members)
    stop_sweep("s")


def spoil_settings(folder):
    folder.path.mkdir()
    folder.config.write_text("name = ")


def spoil_run(folder):
    folder.path.mkdir()
    folder.training_log.write_text("steps: 1")


@pytest.mark.parametrize(
    ("spoil", "words"),
    [(spoil_settings, "holds other settings"), (spoil_run, "got the name s-rank8, which an earlier run has")],
)
def test_all_or_nothing(outputs, spoil, words):
    spoil(RunFolder(outputs / "s-rank8"))
    before = seen(outputs)
    with pytest.raises(SweepError, match=words):
        begin(plan())
    assert seen(outputs) == before


def test_nothing_where_the_place_is_not_there(outputs):
    with pytest.raises(PlaceError, match="place: got"):
        begin(plan(), Care(place="99"))
    assert seen(outputs) == {}


@pytest.mark.parametrize("place", ["slurm", "0,1"])
def test_a_batch_that_the_gpus_of_one_run_cannot_share(outputs, place):
    trials = plan("batch_size=2,1", **{"slurm.gpus": 2, "data.regularisation": "", "data.regularisation_images": 0})
    with pytest.raises(SweepError, match=r"^s-batch1: data\.batch_size: got a batch of 1 for 2 GPUs, which share it"):
        begin(trials, Care(place=place))
    assert seen(outputs) == {}


def test_other_settings_than_it_was_begun_with(outputs):
    assert begin(plan("rank=4")) == ["s-rank4"]
    with pytest.raises(SweepError, match="got other settings for s-rank4 than it was begun with"):
        begin(plan(**{"train.epochs": 3}))
    assert not (outputs / "s-rank8").exists()
    folder = RunFolder(outputs / "s-rank4")
    stop_run(folder, 60)
    folder.config.write_text(folder.config.read_text().replace("rank = 4", "rank = 2"))  # as a resume with changes does
    assert find_missing("s", plan("rank=4")) == []


def end(folder):
    if read_status(folder).is_active:
        stop_run(folder, 60)


def test_what_is_not_varied_is_the_same_in_further_runs(outputs):
    assert begin(plan("rank=4,8")) == NAMES
    words = (
        r"got train\.epochs 3, expected 10 as s-rank4 has it, .*; choose another name for the sweep, or vary train\.epochs too"
    )
    with pytest.raises(SweepError, match=words):
        begin(plan("rank=16", **{"train.epochs": 3}))
    with pytest.raises(SweepError, match=r"got trigger .*\n.*got data\.flip on, expected off"):
        begin(plan("rank=16", **{"data.flip": True, "trigger": "other"}))
    assert [folder.name for folder in find_members("s")] == NAMES
    assert begin(plan("rank=16", "epochs=3")) == ["s-rank16-epochs3"], "the table has a column for it then"
    assert begin(plan("rank=2", **{"train.epochs": 3})) == ["s-rank2"]


@pytest.mark.parametrize(
    "changes",
    [
        {"slurm.partition": "gpu", "log.speed_every": 7, "save.keep_states": 5, "speed.compile": False},
        {"data.folder": str(DATASET), "train.gradient_checkpointing": True, "sample.prompts": ["other"]},
    ],
)
def test_what_has_no_weight_may_be_other_in_further_runs(outputs, changes):
    begin(plan("rank=4"))
    assert begin(plan("rank=8", **changes)) == ["s-rank8"]


def test_members_that_were_resumed_with_changes_forbid_nothing(outputs):
    """Neither to go on with what the sweep was begun with nor with what they have now."""
    begin(plan("rank=4"))
    folder = RunFolder(outputs / "s-rank4")
    end(folder)
    change_settings(folder, {"train.epochs": 20})
    assert begin(plan("rank=4,8")) == ["s-rank8"]
    assert begin(plan("rank=16")) == ["s-rank16"]
    assert begin(plan("rank=2", **{"train.epochs": 20})) == ["s-rank2"]


def test_members_that_cannot_be_read_forbid_nothing(outputs):
    begin(plan("rank=4"))
    folder = RunFolder(outputs / "s-rank4")
    end(folder)
    folder.config.write_text("name = ")
    assert begin(plan("rank=8", **{"train.epochs": 3})) == ["s-rank8"]


def test_a_disk_that_is_full_leaves_no_half_of_a_run(outputs, full_disk):
    trials = plan()
    begun = begin_sweep("s", trials, AT_ONCE)
    next(begun)
    with full_disk(), pytest.raises((RunError, OSError)):
        next(begun)
    assert begin(trials) == ["s-rank8"]


def test_a_run_that_was_replaced_is_of_no_sweep(outputs):
    trials = plan("rank=4")
    begin(trials)
    stop_run(RunFolder(outputs / "s-rank4"), 60)
    create_run(with_values(trials[0].config, {"lora.rank": 32}), replace_old=True)
    assert find_members("s") == []


def find_turns(line):
    """The place of each in the line, 0 for the one that has its turn; once that is so."""
    turns = {folder: status.queue.position if status.queue else 0 for folder in line if (status := read_status(folder))}
    begun = [folder for folder in line if read_status(folder).state != "queued"]
    return turns if len(begun) == 1 and sorted(turns.values()) == [0, 1, 2] else None


def test_stop_takes_the_waiting_ones_first(outputs, wait_until):
    """The one that trains has the only place; were it stopped first, the next would begin."""
    trials = plan("rank=4,8,16")
    begin(trials, Care())
    line = [RunFolder(outputs / trial.name) for trial in trials]
    turns = wait_until(lambda: find_turns(line))
    assert stop_sweep("s") == sorted(line, key=lambda folder: -turns[folder])
    assert {wait_for_end(folder, 60).state for folder in line} <= {"stopped", "failed"}
    assert sum(read_record(folder).attempts[-1].training is None for folder in line) >= 2
    assert stop_sweep("s") == []
    assert stop_sweep("none") == []
    assert resume_sweep("s") == line
    assert {len(read_record(folder).attempts) for folder in line} == {2}
    assert resume_sweep("s") == [], "they are under way"
    stop_sweep("s")


def test_one_that_cannot_be_resumed_keeps_no_other_from_it(outputs):
    trials = plan("rank=4,8")
    begin(trials)
    first, second = (RunFolder(outputs / trial.name) for trial in trials)
    for folder in (first, second):
        if read_status(folder).is_active:
            stop_run(folder, 60)
    first.lock.unlink()
    first.lock.mkdir()
    with pytest.raises((RunError, OSError)):
        resume_sweep("s")
    assert [len(read_record(folder).attempts) for folder in (first, second)] == [1, 2]
    stop_run(second, 60)


def test_stopped_runs_stay_of_the_sweep(outputs):
    trials = plan("rank=4")
    begin(trials)
    folder = RunFolder(outputs / "s-rank4")
    if read_status(folder).is_active:
        stop_run(folder, 60)
    assert begin(trials) == []


def test_the_number_is_of_all_settings():
    config = load_config(DEMO)
    assert number_settings(config) == number_settings(load_config(DEMO))
    assert number_settings(config) != number_settings(config.model_copy(update={"trigger": "other"}))
