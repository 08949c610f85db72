"""The names that trainers give to sample pictures: one row a shape. What is in a run's folders of samples, looked at only
when it changes."""

import os
import re
import threading
import time
from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from fluxgym.run.folders import is_text
from trainer.folder import RunFolder

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
NESTED = "samples"  # ai-toolkit's; OneTrainer's holds one folder for each prompt
OTHERS = (NESTED, "validation_images")  # beside the place that is ours and kohya's; the last is SimpleTuner's


@dataclass(frozen=True)
class Shape:
    """How one trainer names a picture, and the folder in which it puts it. Groups: number (of epochs where `epoch` says e,
    else of steps), prompt (its number), time, seed, said (the prompt, or its short name), size."""

    name: re.Pattern[str]
    parent: re.Pattern[str] = re.compile(r".*")


SHAPES = (
    Shape(  # ours: robot_e000004_01_20261124101502_43; kohya's: robot_000120_01_20261124101502_43
        re.compile(r"(?:.*_)?(?P<epoch>e?)(?P<number>\d{6,12})_(?P<prompt>\d{2,4})_(?P<time>\d{14})(?:_(?P<seed>\d{1,19}))?")
    ),
    Shape(  # ai-toolkit: 1724093817000__000000500_3
        re.compile(r"(?P<time>\d{13})__(?P<number>\d{9})_(?P<prompt>\d{1,4})"), re.compile("samples")
    ),
    Shape(  # ai-toolkit on several GPUs, where the last number is the rank's own
        re.compile(r"rank\d+_sample(?P<prompt>\d{1,4})_(?P<time>\d{13})__(?P<number>\d{9})_\d+"), re.compile("samples")
    ),
    Shape(  # SimpleTuner: step_500_portrait_0_1024x1024, before that step_500_portrait_1024x1024
        re.compile(r"step_(?P<number>\d{1,9})_(?P<said>.*?)(?:_\d{1,2})?_(?P<size>\d+(?:\.\d+)?(?:x\d+)?)"),
        re.compile("validation_images"),
    ),
    Shape(  # OneTrainer: 0 - a robot/2026-11-24_10-15-02-training-sample-500-4-20 (step, epoch, step of the epoch)
        re.compile(r".*?(?P<time>\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d)-training-sample-(?P<number>\d{1,9})-\d+-\d+"),
        re.compile(r"(?P<prompt>\d{1,4}) - (?P<said>.*)"),
    ),
)


@dataclass(frozen=True, order=True)
class Column:
    """When pictures were drawn: after `number` epochs, or steps. 0 is the base model, before anything was learned."""

    number: int
    is_epoch: bool = True

    @property
    def label(self) -> str:
        return "base model" if self.number == 0 else f"{'epoch' if self.is_epoch else 'step'} {self.number:,}"


@dataclass(frozen=True)
class Picture:
    """What the name of a sample says."""

    path: Path
    column: Column
    prompt: int  # its number, from 0
    time: str  # sorts as they were drawn: 20261124101502
    seed: int | None = None
    said: str = ""  # the prompt, where name or folder tell it
    version: str = ""  # other when the file is


@dataclass
class Scan:
    """What was in a folder when it was looked into. A file that is still being written changes without its folder."""

    stamp: int  # ns
    looked: int = field(default_factory=time.time_ns)
    files: list[tuple[str, int, int]] = field(default_factory=list)  # name, modified in ns, bytes
    folders: list[str] = field(default_factory=list)

    @property
    def is_settled(self) -> bool:
        return max([self.stamp, *(modified for _, modified, _ in self.files)]) < self.looked - SETTLES


SETTLES = 5_000_000_000  # ns
MOST_SCANS = 512
_scans: OrderedDict[Path, Scan] = OrderedDict()
_lock = threading.Lock()


def scan_samples(folder: RunFolder) -> dict[Path, Scan]:
    """Each folder with samples of a run and what is in it; looked into again only where something changed."""
    places = [folder.samples, *(folder.path / name for name in OTHERS)]
    root = folder.path.resolve()
    found = {place: seen for place in places if (seen := _scan(place, root))}
    nested = folder.path / NESTED
    inner = found[nested].folders if nested in found else []
    return found | {place: seen for name in inner if (seen := _scan(place := nested / name, root))}


def list_pictures(folder: RunFolder) -> list[Picture]:
    """The sample pictures of a run, of any trainer; files with other names are none."""
    return [
        picture
        for place, scan in scan_samples(folder).items()
        for name, modified, size in scan.files
        if (picture := read_name(place / name, modified, size))
    ]


def read_name(path: Path, modified: int = 0, size: int = 0) -> Picture | None:
    """What a file's name says; None where it is no sample. `modified` (ns) and `size` (bytes) where they are known."""
    if path.suffix.lower() not in SUFFIXES:
        return None
    for shape in SHAPES:
        name, parent = shape.name.fullmatch(path.stem), shape.parent.fullmatch(path.parent.name)
        if name and parent:
            said = name.groupdict() | parent.groupdict()
            number = int(said["number"])
            return Picture(
                path,
                Column(number, is_epoch=bool(said.get("epoch")) or number == 0),
                int(said.get("prompt") or 0),
                said.get("time") or f"{modified:020d}",
                int(said["seed"]) if said.get("seed") else None,
                ", ".join(filter(None, (said.get("said"), said.get("size")))),
                f"{modified:x}-{size:x}",
            )
    return None


def _take(scan: Scan, entry: os.DirEntry[str]) -> None:
    if entry.is_dir():
        scan.folders.append(entry.name)
    elif entry.name.lower().endswith(SUFFIXES) and entry.is_file():  # no pipe, no link that leads nowhere
        with suppress(FileNotFoundError):  # it was just removed
            there = entry.stat()
            scan.files.append((entry.name, there.st_mtime_ns, there.st_size))


def _is_inside(link: Path, root: Path) -> bool:
    there = link.resolve()
    return there.is_relative_to(root) and there != root


def _scan(folder: Path, root: Path) -> Scan | None:
    """None where there is no such folder. Links that lead out of `root` are passed over: what is there is not shown."""
    try:
        if folder.is_symlink() and not _is_inside(folder, root):
            return None
        stamp = folder.stat().st_mtime_ns
        with _lock:
            known = _scans.get(folder)
        if known and known.stamp == stamp and known.is_settled:
            return known
        scan = Scan(stamp)
        with os.scandir(folder) as entries:
            for entry in entries:
                if is_text(entry.name) and (not entry.is_symlink() or _is_inside(Path(entry.path), root)):
                    _take(scan, entry)
    except (OSError, RuntimeError):  # gone, not ours to read, or links in a circle
        return None
    with _lock:
        _scans[folder] = scan
        _scans.move_to_end(folder)
        while len(_scans) > MOST_SCANS:
            _scans.popitem(last=False)
    return scan
