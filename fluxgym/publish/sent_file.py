"""A LoRA's file as it is sent: its tensors byte for byte, and of what its header says nothing that was to stay here.

FluxGym's own files say nothing of captions and folders. kohya's do: how often each tag was, names of folders and of files."""

import io
import json
import os
from pathlib import Path

from fluxgym.access.redact import Redactor
from trainer.progress import Progress

PRIVATE = {  # what kohya's scripts write of the images, of their captions, and of this machine
    *("ss_tag_frequency", "ss_datasets", "ss_dataset_dirs", "ss_reg_dataset_dirs", "ss_bucket_info", "ss_training_comment"),
    *("ss_sd_model_name", "ss_vae_name", "ss_session_id"),
}
METADATA = "__metadata__"
LENGTH, ALIGNED = 8, 8  # bytes: of the number in front of a header, and what tensors begin at a multiple of


def find_private(metadata: dict[str, str], redactor: Redactor) -> list[str]:
    """Of what a header says, what is left out: the above, and what has a key, a path or a name of this machine in it."""
    told = {name: value for name, value in metadata.items() if not name.endswith(("_hash", "hash_sha256"))}  # known by nobody
    return [name for name, value in told.items() if name in PRIVATE or redactor.text(str(value)) != value]


def read_start(path: Path, redactor: Redactor) -> tuple[bytes, int]:
    """(length and header as they are sent, where the tensors begin in the file). Raises OSError, ValueError."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(LENGTH), "little")
        packed = file.read(length)
    header = json.loads(packed)
    metadata = header.get(METADATA, {})
    left_out = find_private(metadata, redactor)
    if left_out:
        header[METADATA] = {name: value for name, value in metadata.items() if name not in left_out}
        packed = json.dumps(header, separators=(",", ":")).encode()
        packed += b" " * (-len(packed) % ALIGNED)
    return len(packed).to_bytes(LENGTH, "little") + packed, LENGTH + length


class SentFile(io.BufferedIOBase):
    """Reads as the file that is sent and tells how far. The library reads it once for its hash, and again to send it."""

    def __init__(self, path: Path, redactor: Redactor, progress: Progress) -> None:
        super().__init__()
        self._start, self._body = read_start(path, redactor)
        self._file, self._progress, self._name = path.open("rb"), progress, path.name
        self._at = 0
        self.size = len(self._start) + path.stat().st_size - self._body
        self.is_sent = False

    def close(self) -> None:
        self._file.close()
        super().close()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._at = max(0, {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self.size}[whence] + offset)
        return self._at

    def read(self, size: int | None = -1) -> bytes:
        wanted = max(0, self.size - self._at)
        wanted = wanted if size is None or size < 0 else min(size, wanted)
        data = self._start[self._at : self._at + wanted]
        if len(data) < wanted:
            self._file.seek(self._body + self._at + len(data) - len(self._start))
            data += self._file.read(wanted - len(data))
        self._at += len(data)
        self._progress.tell(self._at, f"{'Sending' if self.is_sent else 'Reading'} {self._name}", total=self.size)
        return data
