"""Reads every byte of a base model and compares with the hashes that the Hub had said.

A job's process: `python -m fluxgym.models.checksum BASE`. A disk that forgets, or a copy that broke off, shows in no header."""

import hashlib
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from fluxgym.job.begin import start_job
from fluxgym.job.folder import Job
from fluxgym.models.verify import find_folder_faults
from fluxgym.run.base_model import find_model_folder, find_place, hub_cache
from trainer.anatomy import INDEX, UNUSED, find_anatomy
from trainer.header import find_file_problem
from trainer.progress import Progress

KIND = "check"
WEIGHTS = (".safetensors", ".sft")
BLOCK = 2**22  # bytes read at once
SHA1, SHA256 = re.compile(r"[0-9a-f]{40}"), re.compile(r"[0-9a-f]{64}")
Tell = Callable[[int], None]


def ignore(_done: int) -> None:
    """Nobody waits."""


@dataclass(frozen=True)
class Hashed:
    """What came of it."""

    problems: list[str]
    known: int  # files whose hash the Hub had said
    unknown: int  # weights of which no hash is known: they were read, that is all


def start_check(base: str) -> Job:
    """Reads a model as a job. Raises JobIsActive, OSError."""
    return start_job(KIND, base, ["-m", "fluxgym.models.checksum", base], f"Reading every byte of {base}")


def main(arguments: list[str]) -> int:
    """The job's process: its last words are what is wrong."""
    (base,) = arguments
    folder = find_model_folder(base) or find_place(base)
    if not folder.exists():
        print(f"got {base}, which is not on this machine")
        return 1
    files = list_files(folder)
    progress = Progress("bytes", sum(file.stat().st_size for file in files))
    faults = find_folder_faults(folder) if folder.is_dir() else [find_file_problem(folder)]
    hashed = check_bytes(files, progress.tell)
    progress.give(known=hashed.known, unknown=hashed.unknown)
    problems = [*filter(None, faults), *hashed.problems]
    if not problems:
        print(tell_result(hashed))
        return 0
    more = f" (and {len(problems) - 1} more)" if problems[1:] else ""
    print(problems[0] + more)
    return 1


def tell_result(hashed: Hashed) -> str:
    """What is known now of a model with which nothing is wrong."""
    if not hashed.known:
        return "Every byte can be read and every header fits; no hashes are known to compare with."
    rest = f"; of {hashed.unknown} more no hash is known" if hashed.unknown else ""
    return f"Every byte of {hashed.known} files is what the Hub had given{rest}."


def list_files(path: Path) -> list[Path]:
    """The files of a model that are read: all in its parts, or the single one."""
    if path.is_file():
        return [path]
    anatomy = find_anatomy(path)
    inside = (file for part in (anatomy.configs if anatomy else ()) for file in sorted((path / part).rglob("*")))
    return [file for file in (path / INDEX, *inside) if file.is_file() and not any(file.match(end) for end in UNUSED)]


def check_bytes(files: list[Path], tell: Callable[[int, str], None] = lambda _done, _file: None) -> Hashed:
    """`tell`: how many bytes are done, and of which file."""
    problems, known, unknown, done = [], 0, 0, 0
    for file in files:
        expected = find_hash(file)
        got = hash_file(file, expected, lambda count, name=file.name, before=done: tell(before + count, name))  # type: ignore[misc]
        done += file.stat().st_size
        known, unknown = known + bool(expected), unknown + (not expected and file.suffix in WEIGHTS)
        if expected and got != expected:
            problems.append(f"{file}: its bytes are not those that the Hub had given, download it again")
    return Hashed(problems, known, unknown)


def find_hash(file: Path) -> str:
    """What the Hub said of a file's bytes; empty where that is not known. Its cache names files after it."""
    target = file.resolve()
    if target.parent.name == "blobs" and target.is_relative_to(hub_cache().resolve()) and is_hash(target.name):
        return target.name
    for folder in file.parents:  # `hf download --local-dir` writes it down
        noted = folder / ".cache" / "huggingface" / "download" / f"{file.relative_to(folder)}.metadata"
        if noted.is_file():
            lines = noted.read_text(encoding="utf-8", errors="replace").splitlines()
            return lines[1] if len(lines) > 1 and is_hash(lines[1]) else ""
    return ""


def hash_file(file: Path, like: str, tell: Tell = ignore) -> str:
    """The hash of a file, of the kind of another: SHA-256, as the Hub has it of large files, or Git's SHA-1 of small ones."""
    digest = hashlib.sha256()
    if SHA1.fullmatch(like):
        digest = hashlib.sha1(f"blob {file.stat().st_size}\0".encode(), usedforsecurity=False)
    done = 0
    with file.open("rb") as stream:
        while block := stream.read(BLOCK):
            digest.update(block)
            done += len(block)
            tell(done)
    return digest.hexdigest()


def is_hash(text: str) -> bool:
    return bool(SHA1.fullmatch(text) or SHA256.fullmatch(text))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
