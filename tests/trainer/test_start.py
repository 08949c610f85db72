"""From the command line's arguments to an exit code, in this process."""

import errno
import re
import resource
import signal

import numpy as np
import pytest
import torch
from PIL import Image

from trainer.cache import cache_texts
from trainer.disk import NotWritten
from trainer.interrupt import Stop, Stopped
from trainer.start import BROKE, FINISHED, STOPPED, WRONG, start
from trainer.tally import Outcome


@pytest.fixture(autouse=True)
def deaf(monkeypatch):
    """The test's own process keeps its signal handlers."""
    monkeypatch.setattr(Stop, "listen", lambda self: None)


def test_finished(small, make_run):
    small["train"]["epochs"] = 1
    folder = make_run(small)
    assert start(folder.config, None) == FINISHED and folder.lora.is_file()


def test_wrong_settings_in_one_line(small, make_run, capfd):
    small["train"]["epochs"] = "ten"
    folder = make_run(small)
    assert start(folder.config, None) == WRONG
    (line,) = capfd.readouterr().out.splitlines()
    assert line[20:].startswith("ERROR ") and "train.epochs: got 'ten', expected a whole number" in line


@pytest.mark.parametrize(
    ("section", "key", "value", "part"),
    [
        ("data", "folder", "/nowhere", "got nothing at /nowhere, expected a folder"),
        ("model", "base", "/nowhere", "the base model /nowhere cannot be used"),
        ("data", "validation_images", 12, "expected at least one to learn from"),
    ],
)
def test_wrong_input_writes_nothing(small, make_run, capfd, section, key, value, part):
    small[section][key] = value
    folder = make_run(small, cached=False)
    assert start(folder.config, None) == WRONG
    out = capfd.readouterr().out
    assert part in out.splitlines()[-1] and "ERROR" in out.splitlines()[-1] and "Traceback" not in out
    assert [path.name for path in folder.path.iterdir()] == ["config.toml"]


@pytest.mark.parametrize("when", ["before", "while the texts are encoded"])
@pytest.mark.parametrize("name", ["a.jpg", "a.png"])
def test_an_image_that_breaks_is_named(small, make_run, make_folder, monkeypatch, capfd, name, when):
    """Cut short before the training starts, and after its data set was read."""
    folder = make_folder({name: "one", "b.png": "two"}, size=(300, 200))
    noise = np.random.default_rng(1).integers(0, 255, (200, 300, 3), dtype=np.uint8)
    Image.fromarray(noise).save(folder / name)
    small["data"] |= {"folder": str(folder), "validation_images": 0, "regularisation_images": 0}
    whole = (folder / name).read_bytes()

    def cut(*given):
        (folder / name).write_bytes(whole[: len(whole) // 2])
        return cache_texts(*given) if given else None

    if when == "before":
        cut()
    monkeypatch.setattr("trainer.material.cache_texts", cut)
    assert start(make_run(small).config, None) == WRONG
    last = capfd.readouterr().out.splitlines()[-1]
    assert f"ERROR the data set {folder} cannot be used: {name}: got " in last
    assert ("is no whole image" if when == "before" else "cannot be decoded") in last


def test_a_state_that_is_none(small, make_run, capfd):
    folder = make_run(small)
    assert start(folder.config, folder.path / "nothing-state") == WRONG
    assert "nothing-state cannot be resumed from: state.json cannot be read" in capfd.readouterr().out


def test_a_loss_that_is_no_number(small, make_run, monkeypatch, capfd):
    monkeypatch.setattr("trainer.loop.take_step", lambda training: Outcome(torch.tensor([torch.inf, 0, 0, 0]), 1e-3))
    assert start(make_run(small).config, None) == BROKE
    assert "ERROR the loss became inf at step 1" in capfd.readouterr().out.splitlines()[-1]


def test_no_smaller_way_into_memory(small, make_run, monkeypatch, capfd):
    def run_out(*given):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 18.00 MiB. GPU 0 has")

    small["memory"] = {"preset": "off"}
    monkeypatch.setattr("trainer.loop.learn", run_out)
    assert start(make_run(small).config, None) == BROKE
    last = capfd.readouterr().out.splitlines()[-1]
    assert "ERROR out of memory with base as it is" in last and last.endswith("Tried to allocate 18.00 MiB")


@pytest.mark.parametrize("room", [1_000, 300_000, 600_000])
def test_no_room_is_told_in_one_line_and_leaves_nothing_half(small, make_run, capfd, room):
    """No file may grow past a limit: texts and pictures of 8 kB do not fit, LoRAs of 400 kB, or moments of 800 kB."""
    folder, before = make_run(small), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, before[1]))
    try:
        assert start(folder.config, None) == BROKE
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    out = capfd.readouterr().out
    what = f"({folder.shared_cache()}|{folder.samples})/" if room == 1_000 else str(folder.epoch_state(1))
    assert re.search(rf"ERROR {what}\S* could not be written: File too large; no state was saved before$", out.splitlines()[-1])
    assert "Traceback" not in out and not list(folder.path.glob("**/*.new")) and folder.states() == []


def test_no_room_names_the_state_that_is_kept(small, make_run, learn, monkeypatch, capfd):
    folder = learn({**small, "train": {**small["train"], "epochs": 2}})

    def full(path, *_):
        raise NotWritten(path, OSError(errno.ENOSPC, "No space left on device"))

    monkeypatch.setattr("trainer.loop.export_lora", full)
    assert start(make_run(small).config, folder.epoch_state(2)) == BROKE
    last = f"ERROR {folder.lora} could not be written: No space left on device; {folder.epoch_state(3)} is kept, resume from it"
    assert capfd.readouterr().out.splitlines()[-1][20:] == last


def test_stopped_before_there_was_anything_to_save(small, make_run, monkeypatch, capfd):
    """Also within a library that lets no Exception pass, and while something is said of wrong settings."""

    def stopped(*_):
        try:
            raise Stopped("SIGTERM")
        except Exception:
            raise ValueError("swallowed") from None

    for place in ("trainer.loop.prepare", "trainer.start.load_config"):
        with monkeypatch.context() as patch:
            patch.setattr(place, stopped)
            assert start(make_run(small).config, None) == STOPPED
    wrong = make_run({**small, "trigger": 1})
    with monkeypatch.context() as patch:
        patch.setattr("trainer.report.error", stopped)
        assert start(wrong.config, None) == STOPPED
    out = [line[20:] for line in capfd.readouterr().out.splitlines()]
    assert out == ["Training stopped before its first step: nothing was lost, resume begins again"] * 3


@pytest.mark.parametrize("kind", [ValueError, RuntimeError])
def test_a_stop_that_a_library_turned_into_an_error_is_a_stop(small, make_run, monkeypatch, capfd, kind):
    """As the tokenizers' and safetensors' Rust does with what a signal handler raises."""

    def load(config, folder, resume, stop):
        try:
            stop._hear(signal.SIGTERM, None)
        except BaseException as error:
            raise kind("from within") from error

    monkeypatch.setattr("trainer.loop.train", load)
    assert start(make_run(small).config, None) == STOPPED
    (line,) = capfd.readouterr().out.splitlines()
    assert "Training stopped before its first step" in line


def test_what_is_unforeseen_is_raised(small, make_run, monkeypatch):
    def load(*_):
        raise RuntimeError("from within")

    monkeypatch.setattr("trainer.loop.train", load)
    with pytest.raises(RuntimeError, match="from within"):
        start(make_run(small).config, None)
