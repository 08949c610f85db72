"""Captions that arrive in a metadata.jsonl, as files of their own: names change on the way in, its words go with them."""

import json
from collections.abc import Collection, Mapping
from pathlib import PurePosixPath
from typing import Any

from trainer.layouts import METADATA, TEXTS
from trainer.listing import CAPTION, CAPTIONS

LARGEST = 16 * 2**20  # bytes


def is_description(path: str) -> bool:
    """Whether a file that arrives tells the captions of others."""
    return PurePosixPath(path.replace("\\", "/")).name == METADATA


def list_captions(path: str, text: str, arriving: Collection[str]) -> Mapping[str, str]:
    """The captions that a metadata.jsonl at this path tells of images that arrive with it, by the path that a file of each
    would have. One that arrives in a file of its own counts before it; a line that makes no sense is left out."""
    captions: dict[str, str] = {}
    has_own = {_stem(PurePosixPath(each)) for each in arriving if PurePosixPath(each).suffix in CAPTIONS}
    for line in text.removeprefix("\ufeff").split("\n"):  # JSON holds other ends of lines
        said = _parse(line)
        image = PurePosixPath(path).parent / str(said.get("file_name") or "")
        caption = next((said[key] for key in TEXTS if said.get(key) is not None), "")
        if image.as_posix() in arriving and _stem(image) not in has_own and isinstance(caption, str) and caption.strip():
            captions[image.with_suffix(CAPTION).as_posix()] = " ".join(caption.split())
    return captions


def _stem(path: PurePosixPath) -> str:
    return path.with_suffix("").as_posix()


def _parse(line: str) -> dict[str, Any]:
    try:
        said = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}
