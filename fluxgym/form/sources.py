"""The files that settings are read from: given by hand, or named by another and found on this machine."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PureWindowsPath

from fluxgym.form.imported import ImportFailed

LARGEST = 1_000_000  # bytes of a file of settings


@dataclass(frozen=True)
class Source:
    """A file of text. `path`: where it lies on this machine, if it does."""

    name: str
    text: str
    path: Path | None = None


@dataclass(frozen=True)
class Sources:
    """Files by name; what one of them names is looked for among them, then where it says, then beside them."""

    given: Mapping[str, Source] = field(default_factory=dict)
    folder: Path | None = None

    def find(self, named: str) -> Source | None:
        """The file that another names, by any path, even one of another machine."""
        last = PureWindowsPath(named).name
        if last in self.given:
            return self.given[last]
        places = [Path(named), *((self.folder / named, self.folder / last) if self.folder else ())]
        return next((source for path in places if (source := _try(path))), None)


def read_source(path: Path) -> Source:
    """Raises ImportFailed."""
    try:
        if path.stat().st_size > LARGEST:
            raise ImportFailed(
                f"got {path} of {path.stat().st_size:,} bytes, expected a file of settings of at most {LARGEST:,}"
            )
        return Source(path.name, decode(path.name, path.read_bytes()), path.absolute())
    except OSError as error:
        raise ImportFailed(f"{path} cannot be read: {error.strerror}") from error


def decode(name: str, data: bytes) -> str:
    """Raises ImportFailed about what is no text."""
    try:
        text = data.decode("utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("cp1252", errors="replace")
    if "\0" in text or len(data) > LARGEST:
        raise ImportFailed(f"got {name}, which is no text of settings, expected a config.toml, a train.sh or a dataset.toml")
    return text


def _try(path: Path) -> Source | None:
    try:
        return read_source(path) if path.is_file() else None
    except (ImportFailed, OSError, ValueError):  # a name that is too long, or holds a zero byte
        return None
