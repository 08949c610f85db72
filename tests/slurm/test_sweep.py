"""A sweep on a cluster: a job for each run, nothing where one of them would be refused, and the end of all."""

import pytest

from fluxgym.run.care import SLURM, Care
from fluxgym.run.guarded import GRACE
from fluxgym.run.launch import wait_for_end
from fluxgym.run.record import read_record
from fluxgym.run.status import read_status
from fluxgym.sweep.axis import SweepError, read_axes
from fluxgym.sweep.begin import begin_sweep, check_care, stop_sweep
from fluxgym.sweep.grid import plan_sweep, with_values
from fluxgym.terminal.main import main
from fluxgym.terminal.output import DONE
from tests.pages.opened import open_page, told
from tests.slurm.test_runs import GPUS
from trainer.config import load_config
from trainer.mini import DEMO

ON_SLURM = Care(place=SLURM)


def plan(*said):
    base = with_values(load_config(DEMO), {"name": "s", "data.repeats": 1, "train.epochs": 1, "sample.prompts": []})
    return plan_sweep(base, read_axes(list(said)), lambda config: None)


def test_a_job_for_each_run(cluster, wait_until):
    begun = list(begin_sweep("s", plan("seed=1,2"), ON_SLURM))
    assert all(each.is_new for each in begun)
    folders = [each.folder for each in begun]
    jobs = {read_record(folder).attempts[-1].job for folder in folders}
    assert len(jobs) == 2 and "" not in jobs
    assert [wait_for_end(folder, 300).state for folder in folders] == ["completed", "completed"]
    said = told(open_page("compare", sweep="s"))
    assert "2 runs: 2 completed." in said and "Best by validation loss: seed " in said
    assert not any(each.is_new for each in begin_sweep("s", plan("seed=1,2"), ON_SLURM))


def test_nothing_is_begun_where_one_would_be_refused(cluster, outputs):
    trials = plan("slurm.partition='',nowhere", "seed=1,2")
    for attempt in (lambda: list(begin_sweep("s", trials, ON_SLURM)), lambda: check_care(trials, ON_SLURM)):
        with pytest.raises(SweepError, match=r"-nowhere-seed1: slurm: would not take it: .*nvalid partition") as refused:
            attempt()
        assert len(refused.value.problems) == 1
    assert list(outputs.iterdir()) == []


def test_those_that_wait_are_told_of_and_taken_back_first(cluster, wait_until, capsys):
    trials = plan("seed=1,2,3,4,5,6")
    folders = [each.folder for each in begin_sweep("s", trials, ON_SLURM)]
    wait_until(lambda: sum(read_status(folder).state == "running" for folder in folders) == GPUS)
    waiting = [folder for folder in folders if read_status(folder).state == "queued"]
    assert main(["queue"]) == DONE
    assert capsys.readouterr().out.startswith("No run waits for a GPU of this machine; on Slurm: s-seed")
    stop_sweep("s")
    assert {wait_for_end(folder, 60).state for folder in folders} == {"stopped"}
    left = [read_record(folder).attempts[-1].ended for folder in waiting]
    asked = [record.killed_at - GRACE for folder in folders if (record := read_record(folder)).killed_at]
    assert (len(left), len(asked)) == (2, GPUS)
    assert max(left) < min(asked), "a GPU that is left would be taken by one that waits"
