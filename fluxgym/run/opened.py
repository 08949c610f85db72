"""Folders of other tools, other machines, other people, opened to be read: nothing is ever written into one.

What the pages make of it is kept in outputs/.opened/<key>/: opened.json says where the folder is, thumbnails and the board lie
beside it. The key is its name in addresses: <its name>~<8 hexadecimal digits of its path>; no name of a run of ours has a "~".
"""

import json
import os
import re
import time
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainer.disk import write_whole
from trainer.folder import RunFolder

MEMO = "opened.json"
LONGEST = 40  # characters of the folder's name in a key


@dataclass(frozen=True)
class OpenedFolder(RunFolder):
    """A folder that is looked at where it lies. `log` is that of its training, or where it would be."""

    kept: Path
    log: Path

    @property
    def name(self) -> str:
        return self.kept.name

    @property
    def title(self) -> str:
        return self.path.name or str(self.path)

    @property
    def is_read_only(self) -> bool:
        return True

    @property
    def lora(self) -> Path:
        return self.path / f"{self.path.name}.safetensors"

    @property
    def thumbnails(self) -> Path:
        return self.kept / "thumbnails"

    @property
    def board(self) -> Path:
        return self.kept / "board.json"

    @property
    def share(self) -> Path:
        return self.kept / "share.json"


def make_key(path: Path) -> str:
    """What an opened folder is called in addresses and below .opened: letters, digits, ".", "_", "-" and one "~"."""
    name = re.sub(r"[^\w.-]+", "-", path.name)[:LONGEST].strip(".-") or "folder"
    return f"{name}~{zlib.crc32(os.fsencode(path)):08x}"


def place(root: Path, path: Path, log: Path | None) -> OpenedFolder:
    """An opened folder whose notes lie below `root`. `path` is absolute; `log` is None where it has none."""
    return OpenedFolder(path, root / make_key(path), log or path / "training.log")


def remember(root: Path, path: Path, log: Path | None) -> OpenedFolder:
    """Keeps that a folder was opened. Raises OSError."""
    folder = place(root, path, log)
    folder.kept.mkdir(parents=True, exist_ok=True)
    told = {"path": str(path), "log": str(folder.log), "opened": time.time()}
    write_whole(folder.kept / MEMO, json.dumps(told, indent=1).encode())
    return folder


def read_opened(root: Path) -> list[OpenedFolder]:
    """What was remembered, the last opened first; also where the folder itself is gone by now."""
    try:
        memos = [memo for kept in root.iterdir() if (memo := _read_memo(kept))]
    except FileNotFoundError:
        return []
    memos.sort(key=lambda memo: (-memo["opened"], memo["path"]))
    return [place(root, Path(memo["path"]), Path(memo["log"])) for memo in memos]


def forget(folder: OpenedFolder) -> None:
    """Deletes what was kept of an opened folder, its stars and notes too; the folder itself is left alone. Raises OSError."""
    import shutil

    shutil.rmtree(folder.kept)


def _read_memo(kept: Path) -> dict[str, Any]:
    """Empty where there is none that can be read, or it is that of another folder: a key is never trusted alone."""
    try:
        memo = json.loads((kept / MEMO).read_bytes())
        is_whole = kept.name == make_key(Path(memo["path"])) and memo["opened"] >= 0 and Path(memo["log"]).is_absolute()
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return memo if is_whole else {}
