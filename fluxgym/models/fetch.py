"""Brings a base model from the Hub into the Hub's cache: the files that a training needs, each from where it last broke off.

The Hub's library throws a half file away when its process ends; FLUX has files of 10 GB. So the library is asked for lists,
addresses, the token and errors, and the bytes come here: into <hash>.incomplete, which is gone on with, whose hash is compared
when it is whole, and which then gets its name. The snapshot is named (refs/main) when all of it is there."""

import os
import shutil
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from fluxgym.models.checksum import hash_file, is_hash
from fluxgym.models.wrong import BrokenOff, Refused, is_passing
from fluxgym.run import lock
from fluxgym.run.base_model import COMMIT, HUB_NAME, hub_cache
from trainer.anatomy import INDEX, find_anatomy, is_wanted
from trainer.disk import sync_folder, write_whole
from trainer.progress import Progress

GIB = 2**30
AT_ONCE = 4  # files
PARTIAL = ".incomplete"
TIMEOUT = 30.0  # s without a byte, after which a connection is given up
PATIENCE = 600.0  # s without a byte of any file, after which the download is
WAITS = (0.5, 1, 2, 4, 8, 15, 30)  # s between two tries
TOLD = 2**20  # bytes that come before they are told


@dataclass(frozen=True)
class Wanted:
    """One file of a model on the Hub."""

    name: str
    size: int  # bytes
    hash: str  # SHA-256 or Git's SHA-1; the cache names its bytes after it


class Fetch:
    """One model on its way."""

    def __init__(self, base: str, repair: bool = False, patience: float = PATIENCE):
        """`repair`: of what is here already the bytes are read and compared, too."""
        if not HUB_NAME.fullmatch(base):
            raise Refused(f"got {base!r}, expected a name on the Hub: owner/model")
        self.base, self.repair, self.patience = base, repair, patience
        self.kept = hub_cache() / f"models--{base.replace('/', '--')}"
        self.blobs = self.kept / "blobs"
        self.endpoint = os.environ.get("HF_ENDPOINT")
        self.commit = ""
        self.progress = Progress("bytes", None)
        self._lock, self._ended = threading.Lock(), threading.Event()
        self._done, self._heard = 0, time.monotonic()

    def run(self) -> None:
        """Raises Refused, and the errors of the Hub's library."""
        self.blobs.mkdir(parents=True, exist_ok=True)
        held = lock.take(self.kept / "fluxgym.lock")
        if held is None:
            raise Refused(f"Another process is downloading {self.base} into {hub_cache()}: wait for it.")
        try:
            files = self._choose(self._list())
            single = list({file.hash: file for file in files}.values())  # some have the same bytes
            self._done = sum(self._count(file) for file in single)
            self.progress.tell(self._done, total=sum(file.size for file in single))
            self.progress.give(commit=self.commit)
            self._check_room(single)
            self._bring_all(single)
            for file in files:
                self._link(file)
            self._name_snapshot()
        finally:
            os.close(held.handle)

    # ---- which files -----------------------------------------------------------------------------------------------------
    def _list(self) -> list[Wanted]:
        from huggingface_hub import HfApi

        for wait in self._tries():
            try:
                said = HfApi(endpoint=self.endpoint).model_info(self.base, files_metadata=True, timeout=TIMEOUT)
                break
            except Exception as error:
                self._wait(error, wait)
        self.commit = said.sha or ""
        files = [_read_sibling(sibling) for sibling in said.siblings or ()]
        if not COMMIT.fullmatch(self.commit) or not all(files):
            raise Refused(
                f"What the Hub lists of {self.base} is not understood: expected a commit, and sizes and hashes of files."
            )
        return [file for file in files if file]

    def _choose(self, files: list[Wanted]) -> list[Wanted]:
        """Those that a training needs; which these are is said by the index, which comes first."""
        index = next((file for file in files if file.name == INDEX), None)
        if index is None:
            expected = "expected FLUX.1 or FLUX.2 klein in diffusers format"
            raise Refused(f"{self.base} has no {INDEX}, {expected}; of a single file name the file itself")
        self._bring(index)
        self._link(index)
        if find_anatomy(self._snapshot) is None:
            raise Refused(f"{self.base} is another kind of model, expected FLUX.1 or FLUX.2 klein in diffusers format.")
        return [file for file in files if is_wanted(file.name)]

    @property
    def _snapshot(self) -> Path:
        return self.kept / "snapshots" / self.commit

    def _count(self, file: Wanted) -> int:
        """Bytes of it that are here."""
        blob, partial = self.blobs / file.hash, self._partial(file)
        return next((min(path.stat().st_size, file.size) for path in (blob, partial) if path.is_file()), 0)

    def _partial(self, file: Wanted) -> Path:
        return self.blobs / f"{file.hash}{PARTIAL}"

    def _check_room(self, files: list[Wanted]) -> None:
        missing = sum(file.size - self._count(file) for file in files)
        if missing > (free := shutil.disk_usage(self.blobs).free):
            got = f"{missing / GIB:.2f} GiB are to come, {free / GIB:.2f} GiB are free in {hub_cache()}"
            raise Refused(f"{got}: free some room, or set HF_HOME to a folder on another disk.")

    # ---- bytes -----------------------------------------------------------------------------------------------------------
    def _bring_all(self, files: list[Wanted]) -> None:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            coming = [pool.submit(self._bring, file) for file in sorted(files, key=lambda file: file.size)]
            try:
                for each in as_completed(coming):
                    each.result()
            except BaseException:
                self._ended.set()
                pool.shutdown(cancel_futures=True)
                raise

    def _bring(self, file: Wanted) -> None:
        """The bytes of one file, whole and looked at."""
        blob = self.blobs / file.hash
        if blob.is_file() and not self._is_right(blob, file):
            self._add(-min(blob.stat().st_size, file.size), file)
            blob.unlink()
        if not blob.is_file():
            partial = self._partial(file)
            for wait in self._tries():
                try:
                    self._receive(file, partial)
                    break
                except Exception as error:
                    self._wait(error, wait)
            self._look_at(file, partial)
            partial.replace(blob)
            sync_folder(self.blobs)

    def _is_right(self, blob: Path, file: Wanted) -> bool:
        is_long = blob.stat().st_size == file.size
        return is_long and not (self.repair and hash_file(blob, file.hash, self._listen) != file.hash)

    def _receive(self, file: Wanted, partial: Path) -> None:
        """What of a file is not here yet. Raises Refused, and errors after which more of it may be here."""
        from huggingface_hub import get_session, hf_hub_url
        from huggingface_hub.utils import build_hf_headers, hf_raise_for_status

        here = partial.stat().st_size if partial.is_file() else 0
        if here == file.size and partial.is_file():
            return
        url = hf_hub_url(self.base, file.name, revision=self.commit, endpoint=self.endpoint)
        headers = {**build_hf_headers(), "Accept-Encoding": "identity"} | ({"Range": f"bytes={here}-"} if here else {})
        with get_session().stream("GET", url, headers=headers, timeout=TIMEOUT, follow_redirects=True) as response:
            if response.status_code != 416:
                hf_raise_for_status(response)
            if here and not _goes_on(response, here):
                self._add(-here, file)
                partial.unlink()
                here = 0
            if response.status_code == 416:
                raise BrokenOff(f"{file.name} is shorter at the Hub than what is here of it")
            _check_length(response, file, here)
            with partial.open("ab") as target:
                self._write(response.iter_raw(), target, file)
                target.flush()
                os.fsync(target.fileno())
        if (came := partial.stat().st_size) < file.size:
            raise BrokenOff(f"{file.name} ended after {came} bytes")

    def _write(self, pieces: Iterator[bytes], target: BinaryIO, file: Wanted) -> None:
        """What came before a connection broke is kept, and counted."""
        untold = 0
        try:
            for piece in pieces:
                target.write(piece)
                untold += len(piece)
                if untold >= TOLD:
                    self._add(untold, file)
                    untold = 0
        finally:
            self._add(untold, file)

    def _add(self, count: int, file: Wanted) -> None:
        with self._lock:
            self._done += count
            self._heard = time.monotonic()
            self.progress.tell(self._done, file.name)
        self._listen()

    def _listen(self, _done: int = 0) -> None:
        """Ends a thread when another has failed."""
        if self._ended.is_set():
            raise Refused("Another file could not be brought.")

    def _look_at(self, file: Wanted, partial: Path) -> None:
        with self._lock:
            self.progress.tell(self._done, f"Checking {file.name}")
        if partial.stat().st_size == file.size and hash_file(partial, file.hash, self._listen) == file.hash:
            return
        self._add(-file.size, file)
        partial.unlink()
        told = f"{file.name} came with other bytes than the Hub says it has, and was thrown away: try again"
        raise Refused(f"{told}. Where it happens again, something between this machine and the Hub changes what is sent.")

    def _link(self, file: Wanted) -> None:
        """Gives the bytes their name in the snapshot."""
        link, blob = self._snapshot / file.name, self.blobs / file.hash
        link.parent.mkdir(parents=True, exist_ok=True)
        if not link.exists():
            link.unlink(missing_ok=True)
            link.symlink_to(os.path.relpath(blob, link.parent))

    def _name_snapshot(self) -> None:
        refs = self.kept / "refs"
        refs.mkdir(exist_ok=True)
        write_whole(refs / "main", self.commit.encode())

    # ---- patience --------------------------------------------------------------------------------------------------------
    def _tries(self) -> Iterator[float]:
        """How long to wait after each try, for ever."""
        yield from WAITS
        while True:
            yield WAITS[-1]

    def _wait(self, error: Exception, seconds: float) -> None:
        """Before another try. Raises the error where it will not pass, or nothing came for too long."""
        if not is_passing(error) or time.monotonic() + seconds - self._heard > self.patience:
            raise error
        with self._lock:
            self.progress.tell(self._done, "No answer from the Hub, trying again")
        self._ended.wait(seconds)
        self._listen()


def _read_sibling(sibling: Any) -> Wanted | None:
    """A file as the Hub lists it; None where it is not understood."""
    mark = sibling.lfs.sha256 if sibling.lfs else sibling.blob_id
    if not isinstance(sibling.size, int) or sibling.size < 0 or not is_hash(str(mark)) or not _is_inside(sibling.rfilename):
        return None
    return Wanted(sibling.rfilename, sibling.size, mark)


def _is_inside(name: str) -> bool:
    return not name.startswith("/") and ".." not in name.split("/") and "\0" not in name


def _goes_on(response: Any, here: int) -> bool:
    """Whether an answer begins where what is here ends; else it is the whole file, or none."""
    return response.status_code == 206 and response.headers.get("Content-Range", "").startswith(f"bytes {here}-")


def _check_length(response: Any, file: Wanted, here: int) -> None:
    """A server that has another length than the Hub lists would be believed only when all of it had come."""
    said = response.headers.get("Content-Length")
    if said is not None and here + int(said) != file.size:
        got = f"the Hub lists {file.name} with {file.size:,} bytes, its server sends {here + int(said):,}"
        raise Refused(f"{got}: one of them is wrong, or something between changes what is sent; try again later.")
