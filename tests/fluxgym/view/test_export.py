"""Tables as a spreadsheet or pandas reads them: whole, of any length, harmless."""

import csv
import io
import threading

import pytest

from fluxgym.log.history import History
from fluxgym.view import export
from fluxgym.view.health import Health

from .runs import stamp, step_lines
from .test_health import WHEN, evidence


@pytest.fixture
def read(tmp_path):
    def read(table, log, monitor=""):
        (tmp_path / "a.log").write_text(log)
        (tmp_path / "monitor.log").write_text(monitor)
        history, health = History(tmp_path / "a.log"), Health(tmp_path / "monitor.log")
        history.update()
        health.update()
        return list(csv.DictReader(io.StringIO("".join(export.write_csv(table, history, health)))))

    return read


def test_each_step_is_there_however_many_there_are(read):
    count = 2 * export.PIECE + 5
    log = f"{stamp(0)} Epoch 1/2\n" + step_lines(1, 7, count) + f"{stamp(0)} Epoch 2/2\n"
    log += step_lines(8, count, count, pace=0.5).replace("lr=2e-04", "lr=1e-04")
    rows = read("steps", log)
    assert [int(row["step"]) for row in rows] == list(range(1, count + 1))
    assert [row["epoch"] for row in rows[5:9]] == ["1", "1", "2", "2"]
    assert (rows[0]["loss"], rows[0]["learning_rate"], rows[-1]["learning_rate"]) == ("0.5", "0.0002", "0.0001")
    assert float(rows[1]["seconds"]) - float(rows[0]["seconds"]) == 2


def test_a_loss_that_is_no_number_is_empty(read):
    assert [row["loss"] for row in read("steps", step_lines(1, 1, 3) + step_lines(2, 2, 3, loss=float("nan")))] == ["0.5", ""]


def test_epochs_and_validation(read):
    log = f"{stamp(0)} Epoch 1/2\n" + step_lines(1, 4, 8, loss=0.2) + step_lines(5, 8, 8, loss=0.4)
    log += f"{stamp(0)} Validation: loss 0.7000 at step 8\n"
    assert read("validation", log) == [{"step": "8", "validation_loss": "0.7"}]
    (epoch,) = read("epochs", log)
    assert (epoch["epoch"], epoch["first_step"], epoch["is_complete"]) == ("1", "1", "True")
    assert float(epoch["mean_loss"]) == pytest.approx(0.3)
    assert float(epoch["spread"]) == pytest.approx(0.1)


def test_what_happened_when(read):
    log = f"=== Attempt 1, {stamp(0)} ===\n" + step_lines(1, 5, 8) + f"{stamp(9)} Saving LoRA: a.safetensors\n"
    monitor = f"{WHEN} health stalled, at step 3: =1+1\n"
    assert [tuple(row.values()) for row in read("events", log, monitor)] == [
        ("0", "0.0", "attempt", "1"),
        ("3", "4.0", "alert: stalled", "'=1+1"),
        ("5", "8.0", "checkpoint", ""),
    ]


def test_every_line_of_evidence(read):
    monitor = evidence(10).replace(", gpu 0 temperature 71 C", "") + f"{WHEN} health slow, at step 12: x\n" + evidence(1020)
    first, second = read("monitor", "", monitor)
    assert (first["time"], first["step"], first["gpu_0_memory"]) == (WHEN, "10", "1000.0")
    assert (first["gpu_0_temperature"], second["gpu_0_temperature"], second["step"]) == ("", "71.0", "1020")


def test_of_a_run_that_has_nothing_there_are_the_names_of_the_columns(tmp_path):
    history, health = History(tmp_path / "no.log"), Health(tmp_path / "no-monitor.log")
    assert {table: "".join(export.write_csv(table, history, health)) for table in export.TABLES} == {
        "steps": "step,epoch,loss,learning_rate,seconds\n",
        "epochs": "epoch,first_step,mean_loss,spread,is_complete\n",
        "validation": "step,validation_loss\n",
        "events": "step,seconds_of_training,event,text\n",
        "monitor": "time,step\n",
    }


@pytest.mark.parametrize("table", export.TABLES)
def test_nothing_is_locked_while_the_next_piece_is_not_taken(tmp_path, table):
    (tmp_path / "a.log").write_text(f"{stamp(0)} Epoch 1/2\n" + step_lines(1, 9, 9) + "Validation: loss 0.7 at step 8\n")
    (tmp_path / "monitor.log").write_text(evidence(5))
    history, health = History(tmp_path / "a.log"), Health(tmp_path / "monitor.log")
    history.update()
    health.update()
    told = []

    def look():
        for lock in (history.lock, health.lock):
            is_free = lock.acquire(timeout=5)
            told.append(is_free)
            if is_free:
                lock.release()

    for _ in export.write_csv(table, history, health):  # the server takes each piece in a thread of its own
        looker = threading.Thread(target=look)
        looker.start()
        looker.join(20)
    assert told
    assert all(told)
