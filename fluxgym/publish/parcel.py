"""A run as a zip, made while it is sent: no file beside it, and the same little memory for 5 GB as for 5 MB.

What guards a run or would let somebody in is never inside: links (share.json), locks, wishes, caches."""

import io
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path

from trainer.folder import RunFolder

LORAS, SAMPLES, SETTINGS, LOGS, STATES = "loras", "samples", "settings", "logs", "states"
PARTS = {  # by what a person is asked
    LORAS: "LoRA files",
    SAMPLES: "Samples",
    SETTINGS: "Settings, stars and notes",
    LOGS: "Logs",
    STATES: "States to resume from",
}
USUAL = (LORAS, SAMPLES, SETTINGS, LOGS)
PACKED = (".safetensors", ".png", ".jpg", ".jpeg", ".webp", ".gz", ".pt", ".bin")  # what does not get smaller
BLOCK = 2**20  # bytes


def file_name(folder: RunFolder) -> str:
    return f"{folder.name}.zip"


def list_parcel(folder: RunFolder, parts: tuple[str, ...] = USUAL) -> list[Path]:
    """The files that come into the zip, each below the run's folder; a link out of it is left out."""
    root = folder.path.resolve()
    found = [path for part in parts for path in _list_part(folder, part)]
    files = (path for path in dict.fromkeys(found) if path.is_file() and path.resolve().is_relative_to(root))
    return sorted(files)


def measure(files: list[Path]) -> int:
    """Bytes of all of them, about what the zip will have."""
    return sum(map(_measure, files))


def _measure(path: Path) -> int:
    """0 where it is gone meanwhile: a training takes old states away."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def write_parcel(folder: RunFolder, files: list[Path]) -> Iterator[bytes]:
    """The zip, piece by piece. A file that is gone meanwhile is left out; one that still grows is taken as far as it is."""
    sink = _Sink()
    with zipfile.ZipFile(sink, "w", allowZip64=True) as archive:
        for path in files:
            name = os.fsencode(f"{folder.name}/{path.relative_to(folder.path).as_posix()}").decode(errors="replace")
            try:
                entry = zipfile.ZipInfo.from_file(path, name, strict_timestamps=False)
                source = path.open("rb")
            except OSError:
                continue
            with source:
                yield from _write(archive, sink, source, entry)
    yield sink.take()


def _write(archive: zipfile.ZipFile, sink: "_Sink", source: io.BufferedReader, entry: zipfile.ZipInfo) -> Iterator[bytes]:
    entry.compress_type = zipfile.ZIP_STORED if entry.filename.endswith(PACKED) else zipfile.ZIP_DEFLATED
    left = entry.file_size
    with archive.open(entry, "w", force_zip64=True) as target:
        while left and (block := source.read(min(BLOCK, left))):
            left -= len(block)
            target.write(block)
            yield sink.take()


def _list_part(folder: RunFolder, part: str) -> list[Path]:
    match part:
        case "loras":
            return [*folder.path.glob("*.safetensors"), *folder.kohya.glob("*.safetensors")]
        case "samples":
            return list(folder.samples.glob("*"))
        case "settings":
            return [folder.config, folder.ui_state, folder.board]
        case "logs":
            return [folder.training_log, folder.monitor_log, *folder.old_logs.glob("*")]
        case "states":
            return [path for state in folder.path.glob("*-state") for path in state.rglob("*")]
    raise ValueError(f"got the part {part!r}, expected of {', '.join(PARTS)}")


class _Sink(io.RawIOBase):
    """Takes what zipfile writes, without a way back: it then puts sizes behind the files."""

    def __init__(self) -> None:
        super().__init__()
        self._waiting = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        block = memoryview(data)  # type: ignore[arg-type]
        self._waiting += block
        return block.nbytes

    def take(self) -> bytes:
        """What was written since the last time."""
        block, self._waiting = bytes(self._waiting), bytearray()
        return block
