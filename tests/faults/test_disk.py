"""A disk that is full or read-only: nothing is lost, and the run says so."""

from fluxgym.run.launch import look_after, stop_run, wait_for_end
from fluxgym.run.record import read_record
from tests.faults.tree import RUNNING


def test_a_verdict_waits_until_it_can_be_written(running, wait_until):
    """As on a full disk: nothing is lost, and nobody else is sent meanwhile."""
    folder, supervisor, _ = running(*RUNNING)
    in_the_way = folder.path / "run.json.new"
    in_the_way.mkdir()
    stop_run(folder)
    wait_until(lambda: folder.monitor_log.read_text().count("run.json cannot be written") >= 3)
    assert supervisor.alive()
    status = look_after(folder)
    assert not status.needs_supervisor
    assert "its verdict is yet to be written" in status.message
    in_the_way.rmdir()
    status = wait_for_end(folder, 20)
    assert (status.state, status.message[:14]) == ("stopped", "Stopped by you")
    assert read_record(folder).attempts[-1].exit_code == 143
