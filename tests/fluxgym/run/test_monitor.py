"""monitor.log: what the supervisor saw, one line at a time."""

import os
import re

from fluxgym.run.identity import Identity
from fluxgym.run.monitor import Monitor
from trainer.folder import RunFolder

TIME = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d "


def test_evidence(tmp_path):
    folder = RunFolder(tmp_path)
    folder.training_log.write_text("steps:  10%|#| 4/40 [00:01<00:27, 11.00it/s, loss=0.9, avr_loss=0.9, lr=2e-04]\n")
    monitor = Monitor(folder)
    me = Identity.of(os.getpid())
    monitor.note_evidence("running", me)
    sum(number * number for number in range(1_000_000))
    monitor.note_evidence("running", me)
    first, second = folder.monitor_log.read_text().splitlines()
    pattern = (
        TIME + r"state running, phase training, step 4/40, last line \d+ s ago, cpu CPU, memory [\d,]+ MiB in \d+ processes, "
    )
    pattern += r"process state [A-Z]+, disk free [\d,.]+ GiB"
    assert re.fullmatch(pattern.replace("CPU", "-"), first)
    assert re.fullmatch(pattern.replace("CPU", r"\d+%"), second)
    assert "cpu 0%" not in second


def test_nothing_known_is_a_dash(tmp_path):
    monitor = Monitor(RunFolder(tmp_path))
    monitor.note_evidence("running", Identity(2**22 + 1, 1, "gone"))
    line = (tmp_path / "monitor.log").read_text()
    assert "phase -, step -, last line -, cpu -, memory 0 MiB in 0 processes, process state -" in line


def test_a_log_that_cannot_be_written_ends_nothing(tmp_path, capsys):
    Monitor(RunFolder(tmp_path / "gone")).note("x")
    assert "monitor.log cannot be written" in capsys.readouterr().out
