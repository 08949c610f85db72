"""What is asked of a run beside its end; its place in the line is in test_waiting.py."""

import dataclasses
import os

import pytest

from fluxgym.run.asking import ask_sample, ask_save
from fluxgym.run.identity import Identity
from fluxgym.run.launch import RunError, RunIsNotActive, wait_for_end
from fluxgym.run.record import begin_attempt, write_record
from fluxgym.run.status import read_status


def test_save_and_sample_now(outputs, start_small, tmp_path, wait_until):
    folder = start_small("--hold", str(tmp_path / "go"))
    wait_until(lambda: read_status(folder).state == "running")
    for ask, what in ((ask_save, "save"), (ask_sample, "sample")):
        with pytest.raises(RunError, match=f"small trains with a command of its own, which cannot be asked to {what}"):
            ask(folder)
    (tmp_path / "go").touch()
    wait_for_end(folder, 20)
    with pytest.raises(RunIsNotActive, match="small cannot save now: it is completed"):
        ask_save(folder)
    me = Identity.of(os.getpid())
    ours = begin_attempt(folder, None, []).to("running", training=me)
    write_record(folder, dataclasses.replace(ours, supervisor=me))
    assert not folder.save_now.exists()
    ask_save(folder)
    ask_sample(folder)
    assert (folder.save_now.exists(), folder.sample_now.exists()) == (True, True)
