"""Where trainings take place: one at a time on each GPU of this machine, or on its CPU where there is none.

A place is held by a lock in a folder that all runs of a person on this machine share, whatever their outputs root. The
training inherits the lock's handle: the place stays held until both it and its supervisor are gone, however that happens.
"""

import contextlib
import json
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fluxgym.run import lock
from fluxgym.run.care import FIRST_FREE
from fluxgym.run.folders import PROJECT
from fluxgym.run.gpu import Gpu, has_device, list_gpus
from trainer.folder import RunFolder

FULL = 1 / 4  # of a GPU's memory; who uses more of it beside us leaves too little for a training
GIB = 2**30
TMP = Path("/tmp")


class PlaceError(ValueError):
    """No such place, or no folder for the locks; the message says what there is."""


class DriverSilent(PlaceError):
    """There is a GPU, but its driver tells of none: it hangs, or the GPU fell off the bus. It may come back."""


@dataclass(frozen=True)
class Place:
    """What one training at a time can have."""

    name: str  # "GPU 0", "CPU"
    uuid: str = ""  # of the GPU, as the driver calls it whatever its number

    @property
    def lock(self) -> Path:
        return locks_folder() / (f"gpu-{self.uuid}.lock" if self.uuid else "cpu.lock")

    @property
    def is_free(self) -> bool:
        return not locks_path().exists() or not lock.is_held(self.lock)  # looking makes no folder

    @property
    def holder(self) -> str:
        """Name of the run that holds it; empty where nobody does, or does not say."""
        return _read_holder(self.lock).get("name", "") if not self.is_free else ""


@dataclass(frozen=True)
class Wish:
    """The places that a run would take: all of them, or any."""

    places: tuple[Place, ...]
    is_any: bool

    def __str__(self) -> str:
        names = [f"the {place.name}" if place.name == CPU.name else place.name for place in self.places]
        if not names:
            return "a GPU"
        return "the first free GPU" if self.is_any and len(names) > 1 else " and ".join(names)


CPU = Place("CPU")


def locks_path() -> Path:
    """FLUXGYM_LOCKS (relative: from the project's folder), or one for each person below TMP, whatever TMPDIR says: all their
    runs must find the same. It need not be there."""
    named = os.environ.get("FLUXGYM_LOCKS")
    return PROJECT / Path(named).expanduser() if named else TMP / f"fluxgym-{os.getuid()}"


def locks_folder() -> Path:
    """locks_path, made where it is missing. Raises PlaceError where it is somebody else's."""
    named, path = os.environ.get("FLUXGYM_LOCKS"), locks_path()
    with contextlib.suppress(FileExistsError):
        path.mkdir(mode=0o700, parents=True)
    there = path.lstat() if not named else path.stat()  # anybody may put a link among temporary files
    if not stat.S_ISDIR(there.st_mode) or there.st_uid != os.getuid():
        raise PlaceError(f"got {path} for the locks, expected a folder of your own; FLUXGYM_LOCKS names another")
    return path


def list_places() -> list[Place]:
    """The GPUs that the environment leaves to us, or the CPU where there is none. Raises DriverSilent."""
    return [Place(f"GPU {gpu.index}", gpu.uuid) for gpu in _visible(_ask_driver())] or [CPU]


def _ask_driver() -> list[Gpu]:
    """All GPUs. One that does not answer must not pass for a machine without any: the training would see it and take it."""
    gpus = list_gpus()
    if not gpus and has_device() and os.environ.get("CUDA_VISIBLE_DEVICES") != "":
        raise DriverSilent(
            "The driver of the GPU does not answer, so whether it is free is not known; nvidia-smi may say more."
        )
    return gpus


def make_wish(care_place: str) -> Wish:
    """What Care.place means on this machine. Raises PlaceError where it names a GPU that is not there, or DriverSilent."""
    if care_place == FIRST_FREE:
        return Wish(tuple(list_places()), is_any=True)
    there = {gpu.index: Place(f"GPU {gpu.index}", gpu.uuid) for gpu in _ask_driver()}
    wanted = list(dict.fromkeys(int(number) for number in care_place.split(",")))
    if missing := [f"GPU {number}" for number in wanted if number not in there]:
        choices = ", ".join(place.name for place in there.values()) or "none that can be listed here"
        raise PlaceError(f"got {' and '.join(missing)}, expected some of the GPUs there are: {choices}; or 'auto' or 'none'")
    return Wish(tuple(there[number] for number in wanted), is_any=False)


def environment(places: Sequence[Place]) -> dict[str, str]:
    """What a training must know, so that it takes these places and no others."""
    uuids = ",".join(place.uuid for place in places if place.uuid)
    return {"CUDA_VISIBLE_DEVICES": uuids, "CUDA_DEVICE_ORDER": "PCI_BUS_ID"} if uuids else {}


@dataclass
class Holding:
    """The places that a run has taken."""

    folder: RunFolder
    places: list[Place] = field(default_factory=list)
    locks: list[lock.Held] = field(default_factory=list)

    def take(self, wanted: Sequence[Place]) -> bool:
        """All of them or none."""
        for place in wanted:
            held = lock.take(place.lock)
            if held is None:
                self.give_back()
                return False
            os.set_inheritable(held.handle, True)
            self.places.append(place)
            self.locks.append(held)
            self._sign(place, held)
        return True

    def keep(self) -> None:
        """Makes locks anew that were deleted, by a clean-up of temporary files, say. Raises OSError where that cannot be."""
        for place, held in zip(self.places, self.locks, strict=True):
            if not held.is_there():
                locks_folder()
                if held.take_again():
                    self._sign(place, held)

    def adopt(self, names: Sequence[str]) -> None:
        """Takes what is left of the places of a training whose supervisor died; what the training itself holds stays so."""
        for path in locks_folder().glob("*.lock"):
            said = _read_holder(path)
            if said.get("folder") == str(self.folder.path.resolve()) and said.get("place") in names:
                self.take([Place(said["place"], said.get("uuid", ""))])

    def give_back(self, is_over: bool = False) -> None:
        """A training that still lives keeps them nevertheless. One that `is_over` does not: whoever inherited a handle from it
        and cannot be found, a daemon without our marks, say, would keep them for ever."""
        for held in self.locks:
            if is_over:
                held.free()
            os.close(held.handle)
        self.places.clear()
        self.locks.clear()

    def _sign(self, place: Place, held: lock.Held) -> None:
        said = {"name": self.folder.name, "folder": str(self.folder.path.resolve()), "place": place.name, "uuid": place.uuid}
        with contextlib.suppress(OSError):  # on a full disk nobody is told who holds it
            os.truncate(held.handle, 0)
            os.pwrite(held.handle, json.dumps(said).encode(), 0)


def find_gone(places: Sequence[Place]) -> list[Place]:
    """Those that the driver does not name any more, while it names others. One that names none at all is only in trouble."""
    there = {gpu.uuid for gpu in list_gpus()} if any(place.uuid for place in places) else set()
    return [place for place in places if there and place.uuid not in there]


def find_fillers(places: Sequence[Place]) -> Iterator[tuple[Place, str]]:
    """Those of these places, which no run holds, that other programs fill, each with a sentence. Asks the driver."""
    gpus = {gpu.uuid: gpu for gpu in list_gpus()} if any(place.uuid for place in places) else {}
    for place in places:
        gpu = gpus.get(place.uuid)
        if gpu and gpu.memory_total and gpu.memory_used and gpu.memory_used > FULL * gpu.memory_total:
            yield place, _tell_filler(place, gpu)


def _tell_filler(place: Place, gpu: Gpu) -> str:
    total = f"{(gpu.memory_total or 0) / GIB:.1f} GiB"
    pid, used = max(gpu.processes, key=lambda process: process[1] or 0, default=(0, None))
    who = _name(pid)
    if who and used:
        return f"{who} (process {pid}) uses {used / GIB:.1f} of {total} of {place.name}."
    return f"Another program uses {(gpu.memory_used or 0) / GIB:.1f} of {total} of {place.name}."


def _name(pid: int) -> str:
    """What a process is called, if it has a GPU open: in a container the driver may count pids as the host does."""
    try:
        has_gpu = any("/nvidia" in _target(file) for file in Path(f"/proc/{pid}/fd").iterdir())
        return Path(f"/proc/{pid}/comm").read_text().strip() if has_gpu else ""
    except OSError:  # gone, or somebody else's
        return ""


def _target(link: Path) -> str:
    try:
        return str(link.readlink())
    except OSError:  # closed meanwhile
        return ""


def _read_holder(path: Path) -> dict[str, str]:
    try:
        said = json.loads(path.read_bytes())
    except (OSError, ValueError):  # nobody ever held it, or it is just being signed
        return {}
    return said if isinstance(said, dict) else {}


def _visible(gpus: list[Gpu]) -> list[Gpu]:
    """Those that CUDA_VISIBLE_DEVICES leaves, as whoever started us may share the machine with others."""
    said = os.environ.get("CUDA_VISIBLE_DEVICES")
    if said is None:
        return gpus
    named = [name.strip() for name in said.split(",") if name.strip()]
    return [gpu for gpu in gpus if any(name == str(gpu.index) or gpu.uuid.startswith(name) for name in named)]
