"""Steps of the whole training, made of bars that begin anew with each epoch."""

from dataclasses import replace

from fluxgym.log.events import Step


class EpochBars:
    """Keeps the clock of an attempt whose bars are about one epoch each."""

    def __init__(self) -> None:
        self._over = 0.0  # seconds that the bars of epochs which are over took
        self._last = 0.0  # seconds of the last bar

    def place(self, bar: Step, epoch: int, epochs: int) -> Step:
        """The bar of an epoch (counted from 1) as one of the whole training. What is done between two bars takes no time."""
        if bar.elapsed is None:
            elapsed = None
        else:
            self._over += self._last if bar.elapsed < self._last else 0.0
            self._last = bar.elapsed
            elapsed = self._over + bar.elapsed
        clock = bar.clock if bar.is_stamped else elapsed
        step, total = (epoch - 1) * bar.total + bar.step, epochs * bar.total
        return replace(bar, step=step, total=total, clock=clock, elapsed=elapsed, is_in_epoch=False)
