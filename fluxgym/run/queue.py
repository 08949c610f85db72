"""The line of runs that wait for their turn."""

from dataclasses import dataclass

from trainer.folder import RunFolder


@dataclass(frozen=True)
class Turn:
    """The place of a waiting run in the line, for people."""

    position: int  # from 1, among those that wait for the same places
    total: int
    wish: str  # "GPU 0", "GPU 0 and GPU 1", "the first free GPU", "the CPU"
    holder: str = ""  # name of the run that has it now; empty: none of ours
    blocked_by: str = ""  # a sentence, when another program fills the GPU or something else stands in the way


def find_turn(folder: RunFolder) -> Turn | None:
    """Its place in the line; None while no living supervisor waits for it."""
    return None
