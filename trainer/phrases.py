"""What a model said of an image, made into a caption: without its turns of phrase, with the trigger. Imports no torch."""

import re
from typing import Literal, get_args

Detail = Literal["short", "detailed", "long"]  # how much a caption is to say
DETAILS: tuple[Detail, ...] = get_args(Detail)
_THING = r"(?:image|photo|photograph|picture|drawing|illustration|painting|scene)"
_SHOWS = (
    r"(?:shows?|depicts?|features?|displays?|captures?|presents?|portrays?|contains?|illustrates?|showcases?"
    r"|is\s+of|is\s+showing|is\s+depicting|is|appears\s+to\s+be|appears\s+to\s+show|seems\s+to\s+show)"
)
OPENINGS = tuple(  # each is taken off at the beginning, one after the other, as often as one is there
    re.compile(pattern, re.I)
    for pattern in (
        rf"(?:the|this|an)\s+{_THING}\s+{_SHOWS}\s+",
        rf"in\s+(?:the|this)\s+{_THING},?\s+(?:(?:there\s+(?:is|are)|(?:we|you|one)\s+can\s+see|i\s+(?:can\s+)?see)\s+)?",
        r"(?:here\s+is|here's|sure[,!:]?|certainly[,!:]?|of\s+course[,!:]?)\s*",
        r"(?:(?:a|the)\s+)?(?:(?:short|detailed|brief)\s+)?(?:caption|description)\s*(?:of\s+the\s+image)?\s*:\s*",
    )
)
QUOTES = {'"': '"', "'": "'", "\u201c": "\u201d", "\u00ab": "\u00bb"}
SENTENCE = re.compile(r"[.!?][\"'\u201d]?(?=\s|$)")
ARTICLES = ("A ", "An ", "The ")


def clean(text: str, is_cut: bool = False) -> str:
    """The caption in a model's answer, on one line. `is_cut`: it was broken off, so its last sentence ends it."""
    text = text.rpartition("</think>")[2]
    text = " ".join(re.sub(r"[*_#`]{2,}|<[^<>\s]{1,40}>", " ", text).split())
    if is_cut and (ends := [match.end() for match in SENTENCE.finditer(text)]):
        text = text[: ends[-1]]
    while (shorter := _take_off(text)) != text:
        text = shorter
    return text


def _take_off(text: str) -> str:
    if len(text) > 1 and QUOTES.get(text[0]) == text[-1] and text[-1] not in text[1:-1]:
        return text[1:-1].strip()
    found = next((match for opening in OPENINGS if (match := opening.match(text))), None)
    return text[found.end() :] if found and found.end() < len(text) else text


def add_trigger(text: str, trigger: str) -> str:
    """'sks dog, a dog in the snow'; as it is where the trigger is in it, letter for letter: T5 tells cases apart."""
    if not trigger or re.search(rf"(?<!\w){re.escape(trigger)}(?!\w)", text):
        return text
    if text.startswith(ARTICLES):
        text = text[0].lower() + text[1:]
    return f"{trigger}, {text}" if text else trigger
