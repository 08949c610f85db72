"""What is said about a picture, in the demo and in pretraining, and which pairs pretraining never sees."""

import random
import string
import zlib

from trainer.mini.make.backgrounds import COLOURS
from trainer.mini.make.scenes import TOY

HELD_OUT = 15  # percent of all pairs of subject and background
TOY_NAMES = [TOY, TOY, "toy figure", "cartoon character", "doll"]
OPENINGS = ["", "", "", "", "a picture of ", "an illustration of "]


def find_article(word: str) -> str:
    return "an" if word[0] in "aeiou" else "a"


def describe(subject: str, where: str) -> str:
    """'a cat on a blue background' or 'a cat in the snow'."""
    place = f"on {find_article(where)} {where} background" if where in COLOURS else where
    return f"{find_article(subject)} {subject} {place}"


def draw_caption(subject: str, where: str, rng: random.Random) -> str:
    """A caption for pretraining: mostly describe(), with other openings, capitals and full stops.

    8 % are empty, which guidance needs. 5 % leave out the background. In 6 % the subject is called by a made-up word, in
    5 % such a word stands before it, so that an unknown trigger means 'some subject' and not noise."""
    dice = rng.random()
    if dice < 0.08:
        return ""
    if subject == TOY:
        subject = rng.choice(TOY_NAMES)
    if dice < 0.13:
        return f"{find_article(subject)} {subject}"
    if dice < 0.19:
        subject = _make_up_word(rng, rng.randint(3, 5))
    elif dice < 0.24:
        subject = f"{_make_up_word(rng, 3)} {subject}"
    text = rng.choice(OPENINGS) + describe(subject, where)
    if rng.random() < 0.12:
        text = "A" + text[1:]
    return text + "." if rng.random() < 0.08 else text


def _make_up_word(rng: random.Random, letters: int) -> str:
    return "".join(rng.choice(string.ascii_lowercase) for _ in range(letters))


def is_held_out(subject: str, where: str) -> bool:
    """Whether a pair is kept for measuring: the same answer on every machine."""
    return zlib.crc32(f"{subject}|{where}".encode()) % 100 < HELD_OUT
