"""One change made to many captions: looked at first, then made, and taken back while nobody has edited what it made."""

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fluxgym.dataset.captions import Captions, write_captions
from fluxgym.run.folders import outputs_root
from trainer.disk import write_whole

MOST_TEXT = 1000  # characters of what is looked for or put in
_JOINTS = " ,.;:"  # at the edges of a caption these are left over when its beginning or end goes


@dataclass(frozen=True)
class Edit:
    """What is done to each caption. `kind` is a key of KINDS."""

    kind: str
    text: str
    put: str = ""  # replace: what comes in its place
    match_case: bool = True

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"got the change {self.kind[:80]!r}, expected one of {', '.join(KINDS)}")
        if not (self.text if self.kind == "replace" else self.text.strip()):
            raise ValueError("got no text, expected some")
        if max(len(self.text), len(self.put)) > MOST_TEXT:
            raise ValueError(f"got a text of more than {MOST_TEXT:,} characters, expected fewer")

    def apply(self, caption: str) -> str:
        return KINDS[self.kind](self, caption).strip()


def _replace(edit: Edit, caption: str) -> str:
    return re.sub(re.escape(edit.text), lambda _: edit.put, caption, flags=0 if edit.match_case else re.IGNORECASE)


def _prefix(edit: Edit, caption: str) -> str:
    """As it is where it begins so already."""
    bare = edit.text.strip(_JOINTS)
    return caption if _begins(caption, bare, edit.match_case) else edit.text + caption if caption else bare


def _append(edit: Edit, caption: str) -> str:
    bare = edit.text.strip(_JOINTS)
    return caption if _begins(caption[::-1], bare[::-1], edit.match_case) else caption + edit.text if caption else bare


def _remove_prefix(edit: Edit, caption: str) -> str:
    bare = edit.text.strip(_JOINTS)
    return caption[len(bare) :].lstrip(_JOINTS) if _begins(caption, bare, edit.match_case) else caption


def _begins(caption: str, text: str, match_case: bool) -> bool:
    """With these words: "cat" does not begin "cattle"."""
    begin, rest = caption[: len(text)], caption[len(text) :]
    is_same = begin == text if match_case else begin.lower() == text.lower()
    return is_same and not (rest[:1].isalnum() and text[-1:].isalnum())


KINDS: Mapping[str, Callable[[Edit, str], str]] = {
    "replace": _replace,
    "prefix": _prefix,
    "append": _append,
    "remove prefix": _remove_prefix,
}


@dataclass(frozen=True)
class Change:
    """What becomes of one caption."""

    key: str
    before: str
    after: str


def preview(captions: Captions, keys: Iterable[str], edit: Edit) -> list[Change]:
    """What an edit would change, of the images of these keys; those that it leaves as they are are none of it."""
    wanted = set(keys)
    images = (image for image in captions.images if image.key in wanted and not image.is_locked)
    changes = (Change(image.key, image.text, edit.apply(image.text)) for image in images)
    return [change for change in changes if change.after != change.before]


def make(place: Path, changes: list[Change]) -> list[str]:
    """Makes the changes and keeps how they are taken back. Returns the keys of captions that were changed elsewhere meanwhile,
    which stay as they are. Raises ValueError, OSError."""
    if not changes:
        return []
    kept = undo_file(place)
    kept.parent.mkdir(parents=True, exist_ok=True)
    told = {"place": str(place), "changes": [[change.key, change.before, change.after] for change in changes]}
    write_whole(kept, json.dumps(told).encode())  # first, so that what is interrupted can be taken back, too
    return _put(place, changes)


def can_undo(place: Path) -> int:
    """How many captions the last change to many was about; 0 when there is nothing to take back."""
    return len(_read_undo(place))


def undo(place: Path) -> list[str]:
    """Takes the last change to many captions back. Returns the keys of those that were edited since, which stay as they are."""
    left = _put(place, [Change(change.key, change.after, change.before) for change in _read_undo(place)])
    undo_file(place).unlink(missing_ok=True)
    return left


def undo_file(place: Path) -> Path:
    """Beside outputs/ and not in the data set, which may be somebody else's."""
    name = hashlib.sha256(str(place.resolve()).encode()).hexdigest()[:16]
    return outputs_root() / ".datasets" / f"{name}.undo.json"


def _put(place: Path, changes: list[Change]) -> list[str]:
    texts = {change.key: change.after for change in changes}
    _, left = write_captions(place, texts, {change.key: change.before for change in changes})
    return left


def _read_undo(place: Path) -> list[Change]:
    try:
        said: Any = json.loads(undo_file(place).read_bytes())
        return [Change(str(key), str(before), str(after)) for key, before, after in said["changes"]]
    except (OSError, ValueError, KeyError, TypeError):
        return []
