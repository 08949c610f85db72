"""care.json: what a person wants done for a run without being asked: when it is stuck, when it breaks, where it trains.

Written when the run is started and from its page at any time; the supervisor reads it anew before each thing it does. A file
that is missing or damaged means the defaults, of which none stops a training.
"""

import dataclasses
import json
from dataclasses import dataclass
from typing import Any

from trainer.disk import write_whole
from trainer.folder import RunFolder

VERSION = 1
TELL, STOP, RESUME = "tell", "stop", "resume"
WHEN_STALLED = (TELL, STOP, RESUME)
FIRST_FREE, NONE, SLURM = "auto", "none", "slurm"  # places
MOST_RESUMES = 20


@dataclass(frozen=True)
class Care:
    """The choices for one run. Raises ValueError where one is none of those that there are."""

    monitor: bool = True  # judge whether it is stuck or slow at all
    when_stalled: str = TELL  # tell only; stop and keep the state; stop and resume
    resume_after_crash: bool = False  # by itself, where going on may help; never after a person's stop
    most_resumes: int = 3  # by itself, since a person last started or resumed it
    step_down: bool = False  # out of memory: go on with the next smaller memory settings
    # "auto": the first free GPU, or the CPU where there is none; "0", "0,1": those GPUs; "none": no turn; "slurm": a job
    place: str = FIRST_FREE
    notify: bool = True  # where notification services are set up

    def __post_init__(self) -> None:
        if self.when_stalled not in WHEN_STALLED:
            raise ValueError(f"when_stalled: got {self.when_stalled!r}, expected one of {', '.join(WHEN_STALLED)}")
        if not 0 <= self.most_resumes <= MOST_RESUMES:
            raise ValueError(f"most_resumes: got {self.most_resumes!r}, expected a whole number from 0 to {MOST_RESUMES}")
        numbers = self.place.split(",")
        if self.place not in (FIRST_FREE, NONE, SLURM) and not all(number.strip().isdecimal() for number in numbers):
            expected = f"{FIRST_FREE!r}, {NONE!r}, {SLURM!r}, or numbers of GPUs such as '0' or '0,1'"
            raise ValueError(f"place: got {self.place!r}, expected {expected}")


def read_care(folder: RunFolder) -> Care:
    """What was chosen; each choice that is missing or not possible is the default. Raises nothing."""
    try:
        said = json.loads(folder.care.read_bytes())
        values = {field.name: said[field.name] for field in dataclasses.fields(Care) if _fits(said, field)}
    except (OSError, ValueError, TypeError, RecursionError):
        return Care()
    care = Care()
    for name, value in values.items():
        try:
            care = dataclasses.replace(care, **{name: value})
        except ValueError:  # of a later version, or edited by hand
            continue
    return care


def write_care(folder: RunFolder, care: Care) -> None:
    """Keeps the choices; a reader sees the old ones or the new ones."""
    write_whole(folder.care, json.dumps({"version": VERSION} | dataclasses.asdict(care), indent=1).encode())


def _fits(said: Any, field: "dataclasses.Field[Any]") -> bool:
    return isinstance(said, dict) and type(said.get(field.name)) is type(field.default)
