"""A base model by its setting: whether one can be meant, where its files lie, and forgetting one that came in damaged.

The trainer looks into a model, this does not: no torch, and nothing of the Hub's library."""

import os
import re
import stat
from pathlib import Path

from fluxgym.run.folders import PROJECT

COMMIT = re.compile(r"[0-9a-f]{40}")
WEIGHTS = (".safetensors", ".sft")  # ends of the names of single files; FLUX.1's first ones were .sft
FOLDER, FILE, OTHER = "folder", "file", "other"
HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}", re.ASCII)
SHOWN = 200  # characters of what was typed


def find_base_problem(base: str) -> str:
    """What is wrong with `model.base`; empty where it is a folder or a file of weights, or can be a name on the Hub."""
    path, kind = find_place(base), find_kind(base)
    if kind == FOLDER or (kind == FILE and path.suffix in WEIGHTS) or (HUB_NAME.fullmatch(base) and not kind):
        return ""
    found = "is neither a folder nor a .safetensors file" if kind else "is not there"
    expected = "expected a folder, a .safetensors file, or a name on the Hugging Face Hub: owner/model"
    told = f"{base!r}, but {path} {found}" if len(base) <= SHOWN else f"a path of {len(base)} characters, which {found}"
    return f"got {told}; {expected}"


def find_place(given: str) -> Path:
    """Where a setting points to: from the project's folder, in which the trainer is started; ~ is the home folder."""
    try:
        return PROJECT / Path(given).expanduser()
    except RuntimeError:  # ~somebody whom this machine does not know
        return PROJECT / given


def find_kind(given: str) -> str:
    """FOLDER, FILE or OTHER; empty where nothing is there, or nothing can be, as below a name of 300 characters."""
    try:
        mode = find_place(given).stat().st_mode
    except (OSError, ValueError):
        return ""
    return FOLDER if stat.S_ISDIR(mode) else FILE if stat.S_ISREG(mode) else OTHER


class NotInCache(ValueError):
    """A file that is not the Hub's cache's own, and so is nobody's to delete but its owner's. `path` is the file."""

    def __init__(self, path: Path, found: str):
        super().__init__(f"got {path}, {found}; expected a file of the Hub's cache, {hub_cache()}: download it again by hand")
        self.path = path


def hub_home() -> Path:
    """Where the Hub's library keeps its things, as its environment variables say."""
    said = os.environ.get("HF_HOME") or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache", "huggingface")
    return Path(os.path.expandvars(said)).expanduser()


def hub_cache() -> Path:
    """Where it keeps what it downloads."""
    said = os.environ.get("HF_HUB_CACHE") or os.environ.get("HUGGINGFACE_HUB_CACHE") or hub_home() / "hub"
    return Path(os.path.expandvars(said)).expanduser()


def find_model_folder(base: str) -> Path | None:
    """The folder of a base model: itself, or in the cache where it is a name on the Hub; None where it is not here."""
    if find_kind(base) == FOLDER:
        return find_place(base)
    kept = hub_cache() / f"models--{base.replace('/', '--')}"
    try:
        commit = (kept / "refs" / "main").read_text(encoding="ascii").strip()
    except (OSError, ValueError):  # not downloaded, or a name that no file can have
        return None
    return kept / "snapshots" / commit if COMMIT.fullmatch(commit) else None


def find_model_file(base: str, name: str) -> Path | None:
    """A file of a base model, such as "vae/config.json"; None where it is not here."""
    folder = find_model_folder(base)
    if folder is None:
        return None
    path = folder / name
    inside = Path(os.path.normpath(path)).is_relative_to(folder)
    return path if inside and os.path.lexists(path) else None


def forget_damaged(path: Path) -> bool:
    """Takes a file out of the Hub's cache, so that the next start downloads it again; False where it is gone already.

    Raises NotInCache about any other file, which is left as it is, and OSError."""
    link = path.parent.resolve() / path.name
    try:
        model, kind, *inside = link.relative_to(hub_cache().resolve()).parts
    except ValueError:
        raise NotInCache(path, "which lies elsewhere") from None
    if not model.startswith("models--") or kind != "snapshots" or len(inside) < 2:
        raise NotInCache(path, "which is no file of a downloaded model")
    if not os.path.lexists(link):
        return False
    if not link.is_symlink() and not link.is_file():
        raise NotInCache(path, "which is a folder")
    target = link.resolve()
    if link.is_symlink() and target.parent != (hub_cache() / model / "blobs").resolve():
        raise NotInCache(path, f"which leads to {target}")
    target.unlink(missing_ok=True)  # first: the Hub's library makes a new link to what it finds there, without looking at it
    link.unlink(missing_ok=True)
    return True
