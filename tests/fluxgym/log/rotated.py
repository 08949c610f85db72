"""A log that is moved away in parts, as the trainer does it, one step after the other."""

import gzip
from pathlib import Path


def move(log: Path, number: int) -> Path:
    """What was written so far becomes a part; there is no new file yet."""
    part = log.parent / "logs" / f"{log.stem}.{number:04d}.log"
    part.parent.mkdir(exist_ok=True)
    return log.rename(part)


def pack(part: Path) -> Path:
    """A part, packed."""
    packed = part.with_name(f"{part.name}.gz")
    packed.write_bytes(gzip.compress(part.read_bytes(), 1))
    part.unlink()
    return packed


def append(log: Path, data: bytes) -> None:
    with log.open("ab") as file:
        file.write(data)
