"""What happened at which step of a training: samples were drawn, checkpoints written, the learning rate changed."""

from array import array
from bisect import bisect_left


class Marks:
    """Steps in rising order; what lies behind a step that is made again is dropped."""

    def __init__(self) -> None:
        self.samples = array("q")
        self.checkpoints = array("q")
        self.rate_steps = array("q")  # since this step ...
        self.rates = array("d")  # ... the learning rate is this

    def add(self, steps: "array[int]", step: int) -> None:
        """Marks a step, once for all that is written there. `steps` is `samples` or `checkpoints`."""
        del steps[bisect_left(steps, step) :]
        steps.append(step)

    def hear_rate(self, step: int, rate: float) -> None:
        """The rate that a step was made with."""
        if self.rates and rate == self.rates[-1] and step > self.rate_steps[-1]:
            return  # the usual case
        at = bisect_left(self.rate_steps, step)
        del self.rate_steps[at:], self.rates[at:]
        if not self.rates or self.rates[-1] != rate:
            self.rate_steps.append(step)
            self.rates.append(rate)

    def keep_last(self, entries: int) -> None:
        """Drops the oldest, now and then: at most twice as many stay."""
        for values in (self.samples, self.checkpoints, self.rate_steps, self.rates):
            if len(values) > 2 * entries:
                del values[:-entries]
