"""Watching a training: what goes wrong with the evidence ends nothing. What is killed: tests/faults."""

from fluxgym.run.launch import wait_for_end


def test_evidence_that_cannot_be_had_ends_nothing(start_small, wait_until):
    folder = start_small("--steps", "20")
    wait_until(folder.training_log.exists)
    folder.training_log.unlink()
    folder.training_log.mkdir()  # no log any more, and nothing that could be read as one
    assert wait_for_end(folder, 20).state == "failed"
