"""What one line of a training log can say. Plain values: what a line does not say is None."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Step:
    """A progress bar. `loss` is the step's own, `average` a running mean; both may be nan where the bar says so."""

    step: int
    total: int
    loss: float | None
    average: float | None
    lr: float | None
    clock: float | None  # seconds: of the time stamp where the line has one, else since the bar began
    elapsed: float | None  # seconds since the bar began; None where a minute or second is over 59
    is_stamped: bool
    epoch: int | None = None  # where the bar names it
    total_epochs: int | None = None
    is_in_epoch: bool = False  # `step`, `total` and `elapsed` begin anew with each epoch
    is_ahead: bool = False  # drawn again, it has the loss of the next step

    @property
    def shown(self) -> float | None:
        """The loss that stands for this step: its own, or where the bar has only a mean, that."""
        return self.average if self.loss is None else self.loss


@dataclass(frozen=True, slots=True)
class Attempt:
    """A training process is started; the supervisor writes the line."""

    number: int
    is_resumed: bool


@dataclass(frozen=True, slots=True)
class Resume:
    """The training goes on after `step` steps."""

    step: int
    total: int | None = None
    epochs: int = 0  # that are over, where the line says so


@dataclass(frozen=True, slots=True)
class Plan:
    """How long the training will be."""

    total_steps: int | None = None
    total_epochs: int | None = None


@dataclass(frozen=True, slots=True)
class Epoch:
    """An epoch begins, counted from 1. A data loader's own count is a hint, not an announcement."""

    epoch: int
    total: int | None = None
    is_hint: bool = False
    is_counted_anew: bool = False  # from where the attempt went on: epochs that were over before it are not counted
    is_start: bool = False  # see Phase


@dataclass(frozen=True, slots=True)
class Phase:
    """What the training does now: downloading, loading, compiling, caching, training, validating, sampling or saving."""

    name: str
    detail: str | None = None
    is_start: bool = False  # a training process says this once, so a log that has it again goes on with another attempt


@dataclass(frozen=True, slots=True)
class Validation:
    """The loss on held-out images."""

    step: int
    loss: float


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A LoRA file or a state was written."""

    path: str


@dataclass(frozen=True, slots=True)
class Sample:
    """A sample picture was written."""

    path: str


@dataclass(frozen=True, slots=True)
class Finished:
    """The training says that it is done, and with `path` that the last LoRA was written."""

    path: str | None = None
    is_saved: bool = True  # or only that no step follows: its last LoRA may still be lost


Event = Attempt | Resume | Plan | Epoch | Phase | Validation | Checkpoint | Sample | Finished
