"""Writes captions with a model: `python -m trainer caption FOLDER [--model florence-community/Florence-2-base]`.

Each caption is written when it is known, so whoever breaks off loses nothing and begins again where it was. What a person wrote
stays as it is."""

import argparse
import contextlib
import hashlib
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from trainer import report
from trainer.captioner_files import CaptionerError, find_model
from trainer.disk import NotWritten
from trainer.listing import Found
from trainer.phrases import DETAILS, add_trigger
from trainer.picture import DAMAGED, open_image
from trainer.progress import Progress
from trainer.written import Written, choose, is_wanted

if TYPE_CHECKING:
    from trainer.captioner import Captioner

MODEL = "florence-community/Florence-2-base"
FINISHED, BROKE = 0, 1  # exit codes
MANY, FEW = 8, 1  # images at once on a GPU and on a CPU, to begin with
LONGEST = 1024  # px, the longer side of an image that is looked at: no model sees more, some take memory for each pixel
NAMED = 3  # files that are named of those of which nothing could be said


@dataclass(frozen=True)
class Wish:
    """How captions are to be written."""

    trigger: str = ""  # each caption begins with it; empty: with none
    again: bool = False  # also those that a model wrote, and nobody has touched since
    way: str = ""  # whatever else decides how they come out


class Work:
    """Captions for the images of one data set that have none."""

    def __init__(self, place: Path, wish: Wish):
        """Raises DatasetError."""
        self.wish, self.written = wish, Written(place)
        choice = choose(place, wish.again)
        self.problems = choice.problems
        self.todo = [found for found in choice.todo if not self._is_as_asked(found)]
        self.progress = Progress("images", len(self.todo))
        self.count, self.kept = 0, 0  # captions written; images of which a person was quicker
        self.silent: list[str] = []  # images that cannot be opened, or of which the model said nothing

    def write(self, captioner: "Captioner", size: int) -> None:
        """`size`: images at once, fewer where memory runs out. Raises NotWritten, CaptionerError."""
        left = self.todo
        while left:
            batch, left = left[:size], left[size:]
            size = self._write_batch(captioner, list(self._open(batch)), size)
            done = len(self.todo) - len(left)
            self.progress.tell(done, batch[-1].name)
            report.say(f"Captions: {done}/{len(self.todo)} {batch[-1].name}")

    def tell_end(self, told: str) -> None:
        self.progress.give(told=told)
        report.say(told)

    def sum_up(self) -> str:
        """What came of it, for people."""
        told = [f"{self.count} of {len(self.todo)} captions written"]
        if self.kept:
            told.append(f"{self.kept} left, as somebody wrote them or removed the image meanwhile")
        if self.silent:
            more = f" and {len(self.silent) - NAMED} more" if len(self.silent) > NAMED else ""
            told.append(f"nothing could be said of {', '.join(self.silent[:NAMED])}{more}")
        return "; ".join(told)

    def _open(self, batch: Sequence[Found]) -> Iterator[tuple[Found, Image.Image]]:
        """The images that can be opened, no larger than a model looks at them."""
        for found in batch:
            try:
                image = open_image(found.path)
            except FileNotFoundError:
                self.kept += 1
                continue
            except DAMAGED as error:
                self.silent.append(found.name)
                report.warn(f"{found.name}: cannot be opened ({error})")
                continue
            image.thumbnail((LONGEST, LONGEST), Image.Resampling.LANCZOS)
            yield found, image

    def _write_batch(self, captioner: "Captioner", opened: list[tuple[Found, Image.Image]], size: int) -> int:
        """How many images at once fit into memory."""
        while opened:
            part = opened[:size]
            texts = _describe(captioner, [image for _, image in part])
            if texts is None:
                if len(part) == 1:
                    raise MemoryRanOut(captioner.name)
                size = len(part) // 2
                report.say(f"Out of memory with {len(part)} images at once: going on with {size}")
                continue
            for (found, _), text in zip(part, texts, strict=True):
                self._keep(found, text)
            opened = opened[len(part) :]
        return size

    def _keep(self, found: Found, text: str) -> None:
        if not is_wanted(found, self.written, self.wish.again):
            self.kept += 1
        elif text:
            self.written.write(found, add_trigger(text, self.wish.trigger), self._find_way(found))
            self.count += 1
        else:
            self.silent.append(found.name)
            report.warn(f"{found.name}: the model said nothing")

    def _is_as_asked(self, found: Found) -> bool:
        """Whether the caption was written in this very way already, as by one who was broken off."""
        return found.is_captioned and self.written.find_way(found) == self._find_way(found)

    def _find_way(self, found: Found) -> str:
        try:
            with found.path.open("rb") as file:
                image = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError:
            image = ""
        return f"{self.wish.way}; {self.wish.trigger}; {image}"


class MemoryRanOut(CaptionerError):
    """Not even one image at once."""

    def __init__(self, name: str):
        cure = "stop what else runs on this device, choose a smaller model, or the CPU"
        super().__init__(name, f"memory ran out with one image at once; {cure}")


def _describe(captioner: "Captioner", images: list[Image.Image]) -> list[str] | None:
    """None: memory ran out. What was taken of it is free again when this returns: the error, which holds on to it, is gone."""
    from trainer.captioner import OUT_OF_MEMORY, free

    with contextlib.suppress(*OUT_OF_MEMORY):
        return captioner.describe(images)
    free(captioner.device)
    return None


# ---- the command -------------------------------------------------------------------------------------------------------
def main(arguments: Sequence[str]) -> int:
    """What is wrong is told in one line, the last one."""
    options = _make_parser().parse_args(arguments)
    try:
        _run(options)
    except (ValueError, NotWritten) as error:
        lines = (line.strip() for line in str(error).splitlines())
        print("; ".join(lines).replace(":;", ":"), file=sys.stderr, flush=True)
        return BROKE
    return FINISHED


def _run(options: argparse.Namespace) -> None:
    way = f"{options.model}; {options.detail}; {options.prompt}; {options.max_tokens}"
    work = Work(options.folder, Wish(" ".join(options.trigger.split()), options.again, way))
    for problem in work.problems:
        report.warn(problem)
    if not work.todo:
        work.tell_end("Nothing to do: every image has a caption")
        return
    work.progress.tell(0, f"Looking for {options.model}")
    folder = find_model(options.model, lambda said: work.progress.tell(0, said))
    work.progress.tell(0, f"Loading {options.model}")
    from trainer.captioner import OUT_OF_MEMORY, Ask, Captioner, choose_device  # torch takes seconds

    device = choose_device(options.device)
    try:
        captioner = Captioner(options.model, folder, device, Ask(options.detail, options.prompt, options.max_tokens))
    except OUT_OF_MEMORY as error:
        raise MemoryRanOut(options.model) from error
    work.write(captioner, options.batch_size or (FEW if device.type == "cpu" else MANY))
    work.tell_end(work.sum_up())


def _make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m trainer caption", description="Writes captions with a model.")
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="a data set: a folder of images, or a dataset.toml")
    parser.add_argument("--model", default=MODEL, help=f"a folder, or a name on the Hub ({MODEL} if not given)")
    parser.add_argument("--detail", choices=DETAILS, default="detailed", help="how much it says")
    parser.add_argument("--prompt", default="", help="what a model that chats is asked, in place of --detail")
    parser.add_argument("--trigger", default="", help="a word that each caption begins with")
    parser.add_argument("--again", action="store_true", help="also those that a model wrote and nobody has changed since")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--batch-size", type=_count, help=f"images at once: {MANY} on a GPU, {FEW} on a CPU")
    parser.add_argument("--max-tokens", type=_count, default=256, help="the longest answer, 256 if not given")
    return parser


def _count(text: str) -> int:
    if (number := int(text)) < 1:
        raise ValueError
    return number
