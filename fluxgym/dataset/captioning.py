"""Captions that a model writes, as a job: begun here, done by `python -m trainer caption`, and found again."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from fluxgym.dataset.captions import is_editable
from fluxgym.job.begin import start_job
from fluxgym.job.folder import Job, JobStatus, find_job, list_jobs, read_job
from fluxgym.run.places import CPU, DriverSilent, environment, list_places
from trainer.caption import MODEL
from trainer.phrases import DETAILS
from trainer.written import choose

KIND = "captions"
AUTO, ON_CPU = "auto", "cpu"
DEVICES = (AUTO, ON_CPU)


@dataclass(frozen=True)
class Order:
    """How captions are to be written."""

    model: str = MODEL
    detail: str = "detailed"
    prompt: str = ""  # in place of what `detail` asks; of a model that chats
    trigger: str = ""  # each caption begins with it
    again: bool = False  # also those that a model wrote, and nobody has changed since
    device: str = AUTO


@dataclass(frozen=True)
class Count:
    """The images of a data set, by who wrote their captions."""

    without: int
    by_model: int
    by_person: int


@dataclass(frozen=True)
class Device:
    """Where a model would run, and why there."""

    name: str
    words: str
    variables: Mapping[str, str]  # of its process

    @property
    def is_gpu(self) -> bool:
        return self.name != CPU.name


def start_captioning(place: Path, order: Order) -> Job:
    """Begins it, or goes on with it: what has a caption is not asked for again. Raises JobIsActive, ValueError, OSError."""
    if not is_editable(place):
        raise ValueError("these images came with FluxGym: they are only looked at")
    if not order.model.strip():
        raise ValueError("got no model, expected a name on the Hub such as owner/model, or a folder")
    if order.device not in DEVICES:
        raise ValueError(f"got the device {order.device!r}, expected {' or '.join(DEVICES)}")
    if order.detail not in DETAILS:
        raise ValueError(f"got the detail {order.detail!r}, expected {', '.join(DETAILS)}")
    device = find_device(order.device)
    given = {"model": order.model.strip(), "detail": order.detail, "prompt": order.prompt.strip()}
    given |= {"trigger": order.trigger, "device": "cuda" if device.is_gpu else "cpu"}
    options = [f"--{name}={value}" for name, value in given.items() if value]
    command = ["-m", "trainer", "caption", str(place.absolute()), *options, *(["--again"] if order.again else [])]
    where = device.name if device.is_gpu else "the CPU"
    title = f"Captions of {place.name if place.is_dir() else place.parent.name}, on {where}"
    return start_job(KIND, _subject(place), command, title, secrets=device.variables, details=asdict(order))


def find_captioning(place: Path) -> JobStatus | None:
    """The job of this data set that is under way, or the last one that is not dismissed."""
    return read_job(find_job(KIND, _subject(place)))


def read_order(details: Mapping[str, Any]) -> Order:
    """What a job was begun with; what it does not say is as usual."""
    usual = asdict(Order())
    return Order(
        **{name: said if isinstance(said := details.get(name), type(value)) else value for name, value in usual.items()}
    )


def last_order() -> Order:
    """As captions were last asked for, of any data set."""
    return next((read_order(status.about.details) for status in list_jobs(KIND)), Order())


def count_captions(place: Path) -> Count:
    """Raises DatasetError where there is nothing to caption."""
    choice = choose(place)
    return Count(len(choice.todo), len(choice.by_model), len(choice.by_person))


def find_device(wish: str) -> Device:
    """A GPU on which no run trains, else the CPU: captions must not take a training's memory."""
    nothing = {"CUDA_VISIBLE_DEVICES": ""}
    try:
        places = [place for place in list_places() if place.uuid]
    except DriverSilent as error:
        return Device(CPU.name, str(error), nothing)
    if not places or wish == ON_CPU:
        return Device(CPU.name, "On the CPU." if places else "There is no GPU here: on the CPU.", nothing)
    if free := next((place for place in places if place.is_free), None):
        return Device(free.name, f"On {free.name}.", environment([free]))
    holders = " and ".join(sorted({place.holder or "a run" for place in places}))
    return Device(CPU.name, f"On the CPU, as {holders} trains on the GPU.", nothing)


def _subject(place: Path) -> str:
    return str(place.resolve())
