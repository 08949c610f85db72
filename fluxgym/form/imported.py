"""What was made of the settings of another tool, or of a file: what was taken over, as what, and what was not, and why."""

from dataclasses import dataclass, field
from typing import Any

from fluxgym.form.catalogue import find_setting


class ImportFailed(ValueError):
    """Files of which no settings could be made."""


@dataclass(frozen=True)
class Taken:
    """One of their settings, and what it is here."""

    theirs: str
    key: str
    value: Any
    note: str = ""

    def __str__(self) -> str:
        setting = find_setting(self.key)
        shown = setting.show(setting.tidy(self.value)) if setting else str(self.value)
        return f"{self.theirs}: {self.key} = {shown}" + (f" ({self.note})" if self.note else "")


@dataclass(frozen=True)
class Left:
    """One of their settings that has no counterpart here, or cannot be read."""

    theirs: str
    why: str

    def __str__(self) -> str:
        return f"{self.theirs}: {self.why}"


@dataclass
class Imported:
    """Settings out of one or several files."""

    source: str  # what was read
    taken: list[Taken] = field(default_factory=list)
    left: list[Left] = field(default_factory=list)
    same: list[str] = field(default_factory=list)  # theirs that are so here anyway

    @property
    def values(self) -> dict[str, Any]:
        """By the names of config.toml; what was taken later counts."""
        return {taken.key: taken.value for taken in self.taken}

    def take(self, theirs: str, key: str, value: Any, note: str = "") -> None:
        self.taken = [taken for taken in self.taken if taken.key != key] + [Taken(theirs, key, value, note)]

    def leave(self, theirs: str, why: str) -> None:
        self.left.append(Left(theirs, why))
