"""What came out of each step: read one step late on a GPU, so that the GPU never waits for the CPU, nor the CPU for it."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from trainer.report import SpeedLines, StepLines, Work


class TrainingBroke(ArithmeticError):
    """The loss is no number any more. `step` is the step at which it was seen."""

    def __init__(self, step: int, loss: float):
        cure = "expected a finite number; resume with a lower train.learning_rate. States saved before are whole"
        super().__init__(f"the loss became {loss} at step {step}, {cure}")
        self.step, self.loss = step, loss


@dataclass(frozen=True)
class Asked:
    """What is wanted of the training before its next step."""

    stop: bool = False
    save: bool = False
    sample: bool = False


@dataclass(frozen=True)
class Outcome:
    """What a step leaves to be read: (4,) its loss, and in how many processes a stop, a save and samples were asked for."""

    numbers: Tensor
    learning_rate: float
    weigh: Callable[[], Work] = Work  # what there was to do


@dataclass
class Tally:
    """The outcomes of the steps, in their order. What is saved, drawn or measured comes after `read_all`."""

    lines: StepLines
    losses: list[float]  # the last epoch's worth, for the average shown; newest last
    per_epoch: int
    speed: SpeedLines = field(default_factory=SpeedLines)
    asked: Asked = field(default_factory=Asked)  # as of the last step that was read
    _waiting: list[tuple[int, Outcome, torch.cuda.Event | None]] = field(default_factory=list)
    _granted: dict[str, int] = field(default_factory=lambda: {"save": 0, "sample": 0})  # what was asked for up to a step

    def note(self, step: int, outcome: Outcome) -> None:
        """Takes the outcome of a step that was begun. Reads those before it, or on a CPU all. Raises TrainingBroke."""
        event = None
        if outcome.numbers.is_cuda:
            there = torch.empty_like(outcome.numbers, device="cpu", pin_memory=True)
            outcome = replace(outcome, numbers=there.copy_(outcome.numbers, non_blocking=True))
            event = torch.cuda.Event()
            event.record()
        self._waiting.append((step, outcome, event))
        self._read(keep=1 if event else 0)

    def read_all(self) -> None:
        """Waits for the last step begun, and tells it. Raises TrainingBroke."""
        self._read(keep=0)

    def grant(self, **steps: int) -> None:
        """What was asked for up to a step is done: grant(save=12). Steps begun before it was done tell the wish again."""
        self._granted |= steps
        self.asked = replace(self.asked, **dict.fromkeys(steps, False))

    def _read(self, keep: int) -> None:
        while len(self._waiting) > keep:
            step, outcome, event = self._waiting.pop(0)
            if event:
                event.synchronize()
            loss, *asked = outcome.numbers.tolist()
            if not math.isfinite(loss):
                raise TrainingBroke(step, loss)
            self.losses[:] = [*self.losses, loss][-self.per_epoch :]
            stop, save, sample = (number > 0 for number in asked)
            self.asked = Asked(stop, save and step > self._granted["save"], sample and step > self._granted["sample"])
            self.lines.say(step, loss, sum(self.losses) / len(self.losses), outcome.learning_rate)
            self.speed.note(self.lines.took, outcome.weigh)
