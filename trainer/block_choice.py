"""Which blocks of a transformer something is for, as a person writes it: "all", or "double 0-18, single 7 20".

Imports no torch. FLUX's blocks are of two kinds, numbered from 0: double ones keep text and image apart, single ones do not."""

import re
from dataclasses import dataclass

KINDS = {"double": "transformer_blocks", "single": "single_transformer_blocks"}  # as people and as diffusers call them
ALL = "all"
PART = re.compile(r"(\w+)((?:\s+\d+(?:\s*-\s*\d+)?)*)")
RANGE = re.compile(r"(\d+)(?:\s*-\s*(\d+))?")
EXPECTED = f"expected {ALL!r}, or kinds ({' or '.join(KINDS)}) with numbers, as in 'double 0-18, single 7 20'"


@dataclass(frozen=True)
class Blocks:
    """A choice of blocks. Of a kind that is None all are meant."""

    numbers: dict[str, frozenset[int] | None]  # by kind

    def includes(self, kind: str, number: int) -> bool:
        chosen = self.numbers.get(kind, frozenset())
        return chosen is None or number in chosen

    def find_problems(self, counts: dict[str, int]) -> list[str]:
        """Numbers that a model does not have which has so many blocks of each kind."""
        return [
            f"got {kind} {number}, expected {kind} 0-{counts[kind] - 1}"
            for kind, chosen in self.numbers.items()
            for number in sorted(chosen or ())
            if number >= counts[kind]
        ]


def parse_blocks(text: str) -> Blocks:
    """Raises ValueError with what is expected."""
    if text.strip() == ALL:
        return Blocks(dict.fromkeys(KINDS))
    numbers: dict[str, frozenset[int] | None] = {}
    for part in text.split(","):
        match = PART.fullmatch(part.strip())
        if not match or match[1] not in KINDS or match[1] in numbers:
            raise ValueError(f"got {text!r}, {EXPECTED}")
        ranges = [(int(first), int(last or first)) for first, last in RANGE.findall(match[2])]
        if any(first > last or last > 999 for first, last in ranges):
            raise ValueError(f"got {text!r}, {EXPECTED}")
        chosen = frozenset(number for first, last in ranges for number in range(first, last + 1))
        numbers[match[1]] = chosen if ranges else None
    return Blocks(numbers)
