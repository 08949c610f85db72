"""Places: which there are, who holds them, who fills them, and how a training learns of its own."""

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from fluxgym.run import lock, places
from fluxgym.run.gpu import Gpu
from fluxgym.run.places import CPU, Holding, Place, PlaceError, environment, find_fillers, find_gone, list_places, make_wish
from trainer.folder import RunFolder

GIB = 2**30
ZERO, ONE = Place("GPU 0", "GPU-aa"), Place("GPU 1", "GPU-bb")


@pytest.fixture
def gpus(monkeypatch):
    """gpus(...): what the driver tells from now on."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)

    def tell(*there):
        monkeypatch.setattr(places, "list_gpus", lambda: list(there))

    tell(Gpu(0, "GPU-aa", memory_used=GIB, memory_total=24 * GIB), Gpu(1, "GPU-bb", memory_used=GIB, memory_total=24 * GIB))
    return tell


@pytest.fixture
def folder(outputs):
    return RunFolder(outputs / "a")


def test_places_there_are(gpus, monkeypatch):
    assert list_places() == [ZERO, ONE]
    for visible, left in (("1", [ONE]), ("GPU-aa", [ZERO]), ("1,0", [ZERO, ONE]), ("", [CPU])):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
        assert list_places() == left
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    gpus()
    assert list_places() == [CPU]


def test_wishes_and_their_words(gpus):
    assert str(make_wish("auto")) == "the first free GPU"
    assert str(make_wish("1")) == "GPU 1"
    assert str(make_wish("1, 0,1")) == "GPU 1 and GPU 0"
    with pytest.raises(PlaceError, match="got GPU 7, expected some of the GPUs there are: GPU 0, GPU 1; or 'auto' or 'none'"):
        make_wish("0,7")
    gpus()
    assert str(make_wish("auto")) == "the CPU"
    with pytest.raises(PlaceError, match="got GPU 0, expected some of the GPUs there are: none that can be listed here"):
        make_wish("0")


def test_what_a_training_is_told():
    assert environment([ONE, ZERO]) == {"CUDA_VISIBLE_DEVICES": "GPU-bb,GPU-aa", "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
    assert environment([CPU]) == environment([]) == {}


def test_all_of_them_or_none(folder):
    other, mine = Holding(RunFolder(folder.path.parent / "b")), Holding(folder)
    assert other.take([ONE])
    assert not mine.take([ZERO, ONE])
    assert (ZERO.is_free, ONE.is_free, ONE.holder, ZERO.holder) == (True, False, "b", "")
    other.give_back()
    assert mine.take([ZERO, ONE])
    assert (ZERO.holder, ONE.holder) == ("a", "a")
    mine.give_back()
    assert ZERO.is_free
    assert ONE.holder == ""


def test_a_training_keeps_its_place_without_its_supervisor(folder):
    holding = Holding(folder)
    assert holding.take([ZERO])
    training = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, close_fds=False)
    holding.give_back()
    assert not ZERO.is_free
    heir = Holding(folder)
    heir.adopt(["GPU 0"])
    assert heir.places == [], "the training has it"
    training.communicate(b"\n")
    assert ZERO.is_free
    heir.adopt(["GPU 1"])
    assert heir.places == []
    heir.adopt(["GPU 0"])
    assert heir.places == [ZERO]
    heir.give_back()


def test_deleted_locks_are_made_anew(folder):
    holding = Holding(folder)
    assert holding.take([ZERO])
    shutil.rmtree(places.locks_folder())
    assert ZERO.is_free
    holding.keep()
    assert (ZERO.is_free, ZERO.holder) == (False, "a")
    assert not Holding(folder).take([ZERO])
    holding.give_back()
    assert ZERO.is_free


def test_the_folder_is_ones_own(tmp_path, monkeypatch):
    monkeypatch.delenv("FLUXGYM_LOCKS", raising=False)
    assert Path("/tmp") == places.TMP
    monkeypatch.setattr(places, "TMP", tmp_path)
    made = places.locks_folder()
    assert made.name == f"fluxgym-{os.getuid()}"
    assert stat.S_IMODE(made.stat().st_mode) == 0o700
    made.rmdir()
    made.symlink_to(tmp_path)
    with pytest.raises(PlaceError, match=r"expected a folder of your own; FLUXGYM_LOCKS names another"):
        places.locks_folder()
    monkeypatch.setenv("FLUXGYM_LOCKS", str(tmp_path / "named"))
    assert places.locks_folder() == tmp_path / "named"
    monkeypatch.setattr(places.os, "getuid", lambda: 1)
    with pytest.raises(PlaceError, match="expected a folder of your own"):
        places.locks_folder()


def test_another_program_that_fills_a_gpu(gpus, tmp_path):
    filled = Gpu(0, "GPU-aa", memory_used=9 * GIB, memory_total=24 * GIB, processes=((2**22 + 1, 9 * GIB),))
    gpus(filled, Gpu(1, "GPU-bb", memory_used=6 * GIB, memory_total=24 * GIB))
    assert dict(find_fillers([ZERO, ONE])) == {ZERO: "Another program uses 9.0 of 24.0 GiB of GPU 0."}
    device = tmp_path / "nvidia0"
    with device.open("w"):  # as a program that uses the GPU has it open
        gpus(Gpu(0, "GPU-aa", memory_used=9 * GIB, memory_total=24 * GIB, processes=((os.getpid(), 8 * GIB),)))
        told = dict(find_fillers([ZERO]))[ZERO]
    assert told == f"{Path('/proc/self/comm').read_text().strip()} (process {os.getpid()}) uses 8.0 of 24.0 GiB of GPU 0."
    assert dict(find_fillers([CPU])) == {}
    gpus(Gpu(0, "GPU-aa"))
    assert dict(find_fillers([ZERO])) == {}, "of a GPU that does not tell nothing is known"


def test_a_gpu_that_is_gone(gpus):
    assert find_gone([ZERO, ONE]) == []
    gpus(Gpu(0, "GPU-aa"))
    assert find_gone([ZERO, ONE]) == [ONE]
    gpus()
    assert find_gone([ZERO, ONE]) == [], "a driver in trouble names none"
    assert find_gone([CPU]) == []


def test_locks_are_files_that_anybody_of_ours_can_look_at(folder):
    with lock.hold(CPU.lock, 0):
        assert (CPU.is_free, CPU.holder) == (False, "")
