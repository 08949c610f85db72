"""What a person asks a running training for, by a file in its folder: a checkpoint or samples, at once. Imports no torch."""

from dataclasses import dataclass, field
from pathlib import Path

from trainer.folder import RunFolder
from trainer.report import warn


@dataclass
class Wishes:
    """The wishes for one training. One that cannot be taken away is granted once, not at each step."""

    folder: RunFolder
    _deaf_to: set[Path] = field(default_factory=set)

    @property
    def save(self) -> bool:
        return self._is_there(self.folder.save_now)

    @property
    def sample(self) -> bool:
        return self._is_there(self.folder.sample_now)

    def take_away(self, *wishes: Path) -> None:
        """Those that were granted; without any named, all of them."""
        for path in wishes or (self.folder.save_now, self.folder.sample_now):
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                self._deaf_to.add(path)
                warn(f"{path} could not be removed and is not looked at any more: {error.strerror or error}")

    def _is_there(self, path: Path) -> bool:
        return path not in self._deaf_to and path.exists()
