"""What a training log says so far: fed line by line, the same however the lines arrive."""

import math
from array import array
from dataclasses import replace
from pathlib import PurePath

from fluxgym.log.curve import Curve, EpochMean, EpochMeans
from fluxgym.log.dialects import BAR, read_bar, read_text, split_line
from fluxgym.log.epoch_bars import EpochBars
from fluxgym.log.events import (
    Attempt,
    Checkpoint,
    Epoch,
    Event,
    Finished,
    Phase,
    Plan,
    Resume,
    Sample,
    Step,
    Validation,
)
from fluxgym.log.failures import Failure, FailureFinder
from fluxgym.log.levels import level_of_line
from fluxgym.log.lines import LIMIT, clean
from fluxgym.log.marks import Marks
from fluxgym.log.runs import JUMP, Run
from fluxgym.log.wrapped import Wrapped

TRAINING = Phase("training")


class Story:
    """Attributes are None, or empty, where the log does not say."""

    def __init__(self) -> None:
        self.step: int | None = None
        self.total_steps: int | None = None
        self.epoch: int | None = None
        self.total_epochs: int | None = None
        self.loss: float | None = (
            None  # last finite one shown: as in the curve the step's own, else the mean (kohya shows no other)
        )
        self.avr_loss: float | None = None
        self.logs_means = False  # its bars show the mean of many steps only, as kohya's do: so do the curve and `loss`
        self.lr: float | None = None
        self.validation: list[tuple[int, float]] = []  # (step, loss)
        self.epochs: list[tuple[int, int]] = []  # (epoch, its first step)
        self.attempts: list[tuple[int, int]] = []  # (number, steps done before it)
        self.checkpoints: list[str] = []
        self.saved: dict[str, tuple[int | None, int]] = {}  # name of a checkpoint: epoch and step when it was last written
        self.samples: list[str] = []
        self.warnings = self.errors = 0
        self.version = 0  # grows with everything that is said
        self.curve = Curve()
        self.marks = Marks()
        self._means = EpochMeans()
        self._finder = FailureFinder()
        self._phase: Phase | None = None
        self._said_finished = False
        self.nan_at: int | None = None  # since this step the loss is no number
        self._position = 0  # the last step of this attempt
        self._is_fresh = True  # no step of this attempt was seen
        self._clock: float | None = None  # of the last step, see Step.clock
        self._elapsed: float | None = None
        self._is_announced = False  # an epoch of this attempt was
        self._epochs_before: int | None = None  # that were over where this attempt began; None where that was not seen
        self._epoch_bars = EpochBars()
        self._open: str | None = None  # a text that may go on in the next line
        self._open_is_read = False
        self._wrapped = Wrapped()

    # ---- what it says --------------------------------------------------------------------------------------------
    @property
    def steps(self) -> "array[int]":
        return self.curve.steps

    @property
    def losses(self) -> "array[float]":
        return self.curve.losses

    @property
    def times(self) -> "array[float]":
        return self.curve.times

    @property
    def points(self) -> int:
        """How many distinct steps have a finite loss."""
        return self.curve.points

    @property
    def has_begun(self) -> bool:
        """Whether this attempt made a step; `step` may still be that of the attempt before."""
        return not self._is_fresh and bool(self.step)

    @property
    def failure(self) -> Failure | None:
        """Why the training ended, or cannot end well."""
        return self._judge(self._finder)

    def _judge(self, finder: FailureFinder) -> Failure | None:
        if finder.failure or self.nan_at is None:
            return finder.failure
        return Failure("nan", f"the loss is not a number since step {self.nan_at}")

    @property
    def finished(self) -> bool:
        """The training said that it is done, and nothing speaks against it."""
        return self._said_finished and self.failure is None

    @property
    def phase(self) -> str | None:
        """What the training does, see Phase; None when that is not known, or over."""
        return None if self._phase is None or self._is_over else self._phase.name

    @property
    def phase_detail(self) -> str | None:
        return None if self._phase is None or self._is_over else self._phase.detail

    @property
    def _is_over(self) -> bool:
        return self._said_finished or self._finder.failure is not None

    @property
    def seconds_per_step(self) -> float | None:
        return self.curve.seconds_per_step()

    @property
    def eta_seconds(self) -> float | None:
        """Time to the last step; None when it is not known or the training broke off."""
        if self.step is None or self.total_steps is None or (self._is_over and not self.finished):
            return None
        return self.curve.eta_seconds(self.total_steps - self.step)

    def _proves_end(self, event: Finished) -> bool:
        """Whether all is done and saved. Weights may be saved on the way too; ai-toolkit's bar may end one before its last."""
        is_last = event.path is None or self.total_steps is None or self._position >= self.total_steps - 1
        return event.is_saved and is_last

    def epoch_means(self) -> list[EpochMean]:
        """The losses of each epoch that has one."""
        at_end = self._said_finished or (self.total_steps is not None and self._position >= self.total_steps)
        return self._means.read(self.curve, self.epochs, at_end)

    # ---- how it is told ------------------------------------------------------------------------------------------
    def hear_line(self, raw: bytes) -> None:
        """Takes one line, of which a bar at its beginning was taken away."""
        text = raw[:LIMIT].decode("utf-8", "replace")
        plain = clean(text)
        while plain is not text and (bar := BAR.match(plain.encode())):  # it was hidden by colour codes
            self.hear_bar(read_bar(bar))
            plain = plain.encode()[bar.end() :].decode()
        if not plain.strip():
            return
        if bar := self._wrapped.join_bar(plain):
            return self.hear_bar(read_bar(bar))
        line = split_line(plain)
        level = level_of_line(line)
        self.warnings, self.errors = self.warnings + (level == "warning"), self.errors + (level == "error")
        self._finder.feed(line)
        text = line.text
        if line.goes_on and self._open is not None:
            text = self._open = f"{self._open} {line.text}"[:LIMIT]
        else:
            self._open, self._open_is_read = line.text if line.is_wrapped else None, False
        event = None if self._open_is_read else self._wrapped.join_text(text, len(plain), read_text(text))
        if event is not None:
            self._open_is_read = self._open is not None
            self._apply(event)
        self.version += 1

    def hear_bar(self, bar: Step, run: Run | None = None) -> None:
        """Takes a step, or a run of them of which `bar` is the last."""
        self._wrapped = Wrapped()
        if bar.is_in_epoch:
            if self.epoch is None or self.total_epochs is None:
                return self._hear_unplaced(bar)
            bar = self._epoch_bars.place(bar, self.epoch, self.total_epochs)
        first = bar.step - len(run.steps) + 1 if run else bar.step
        if not self._is_fresh and first < self._position:
            self._begin_again()
        is_again = first <= self._position or (self._is_fresh and bar.shown is None)  # or drawn where it goes on
        if bar.epoch is not None and (bar.epoch, bar.total_epochs) != (self.epoch, self.total_epochs):
            self._hear_epoch(Epoch(bar.epoch, bar.total_epochs))
        if self._is_fresh:
            self._meet_first(first)
        elif first > self._position and self._has_jumped(*((run.times[0], run.elapsed) if run else (bar.clock, bar.elapsed))):
            self.curve.skip_clock()
        self._clock, self._elapsed = bar.clock, bar.elapsed
        if bar.step > self._position:
            self._said_finished = False
        self.step = self._position = bar.step
        self.total_steps = bar.total
        self._hear_losses(bar)
        self._finder.progress(bar.step)
        self._phase = TRAINING
        self._open = None
        self.version += 1
        if run:
            for step, rate in run.rates:
                self.marks.hear_rate(step, rate)
            self.curve.place(run.steps, run.losses, run.times, bar.is_stamped)
        elif bar.step > 0 and not (is_again and (bar.is_ahead or bar.shown is None)):
            self.curve.add(
                bar.step,
                math.nan if bar.shown is None else bar.shown,
                math.nan if bar.clock is None else bar.clock,
                bar.is_stamped,
            )

    def _hear_unplaced(self, bar: Step) -> None:
        """A bar of an epoch of which the log does not say which one it is: it tells the losses, and no step."""
        self._hear_losses(replace(bar, step=self._position))
        self._phase = TRAINING
        self.version += 1

    def _has_jumped(self, clock: float | None, elapsed: float | None) -> bool:
        """The time stamps went on much farther than the bar's own clock, as when summer time begins."""
        if None in (clock, elapsed, self._clock, self._elapsed):
            return False
        stamped, real = clock - self._clock, elapsed - self._elapsed  # type: ignore[operator]
        return stamped > JUMP and 0 <= real < stamped / 2

    def _meet_first(self, first: int) -> None:
        """The first step of an attempt is there: from now on it is known where the attempt goes on."""
        self._is_fresh = False
        done = first if first == self._position else max(first - 1, 0)  # where it goes on a bar is drawn before its first step
        if self.epochs and self.epochs[-1][1] <= done:
            self.epochs[-1] = (self.epochs[-1][0], done + 1)  # it was announced when nobody knew where the attempt goes on
        self.attempts[-1:] = [(self.attempts[-1][0] if self.attempts else 1, done)]
        while self.validation and self.validation[-1][0] > done:
            self.validation.pop()

    def _hear_losses(self, bar: Step) -> None:
        shown = bar.shown
        if shown is not None:
            is_number = math.isfinite(shown)
            self.nan_at = None if is_number else self.nan_at if self.nan_at is not None else bar.step
            self.loss = shown if is_number else self.loss
        if bar.average is not None and math.isfinite(bar.average):
            self.avr_loss = bar.average
            self.logs_means = bar.loss is None
        if bar.lr is not None and math.isfinite(bar.lr):
            self.lr = bar.lr
            self.marks.hear_rate(bar.step, bar.lr)

    def _begin_again(self) -> None:
        """Another attempt that nobody announced."""
        self._begin(Attempt((self.attempts[-1][0] if self.attempts else 1) + 1, is_resumed=False))

    def _begin(self, attempt: Attempt) -> None:
        self.attempts.append((attempt.number, self._position if attempt.is_resumed else 0))
        if not attempt.is_resumed:
            self.step, self._position = None, 0
        self._finder.forget()
        self.nan_at, self._phase, self._said_finished = None, None, False
        self._is_fresh, self._is_announced = True, False
        self._epochs_before, self._epoch_bars = None, EpochBars()
        self.curve.begin_attempt()

    def _apply(self, event: Event) -> None:
        self._finder.hear(event)
        match event:
            case Attempt():
                self._begin(event)
            case Resume():
                if not self._is_fresh:
                    self._begin_again()
                self.step, self.total_steps, self._position = event.step, event.total or self.total_steps, event.step
                self._epochs_before = event.epochs
                if self.attempts:
                    self.attempts[-1] = (self.attempts[-1][0], event.step)
            case Plan():
                self.total_steps = event.total_steps or self.total_steps
                self.total_epochs = event.total_epochs or self.total_epochs
            case Epoch():
                self._hear_epoch(event)
            case Validation() if math.isfinite(event.loss):
                while self.validation and self.validation[-1][0] >= event.step:
                    self.validation.pop()
                self.validation.append((event.step, event.loss))
            case Checkpoint():
                self._hear_saved(event.path)
            case Sample():
                self.samples.append(event.path)
                self.marks.add(self.marks.samples, self._position)
                self._phase = Phase("sampling", f"Saved {event.path}"[:200])
            case Phase():
                if event.is_start and not self._is_fresh:
                    self._begin_again()
                self._phase = event
            case Finished():
                if event.path is not None:
                    self._hear_saved(event.path)
                self._said_finished = self._proves_end(event)
                if not event.is_saved:
                    self._phase = Phase("saving")
        if not isinstance(event, Epoch | Plan):
            self.curve.pause()

    def _hear_saved(self, path: str) -> None:
        self.checkpoints.append(path)
        self.marks.add(self.marks.checkpoints, self._position)
        self.saved[PurePath(path.replace("\\", "/")).name] = (self.epoch, self._position)
        self._phase = Phase("saving", f"Saved {path}"[:200])

    def _hear_epoch(self, event: Epoch) -> None:
        if event.is_start and not self._is_fresh:
            self._begin_again()
        if event.is_hint and self._is_announced:
            return  # the loader's workers say it late, and each of them
        self._is_announced = self._is_announced or not event.is_hint
        if event.is_start and self._epochs_before is None:
            self._epochs_before = 0
        before = self._epochs_before if event.is_counted_anew else 0
        if before is None:
            return  # nobody knows from where it is counted
        self.epoch, self.total_epochs = before + event.epoch, before + event.total if event.total else self.total_epochs
        self._phase = TRAINING
        while self.epochs and self.epochs[-1][0] > self.epoch:
            self.epochs.pop()
        if not self.epochs or self.epochs[-1][0] < self.epoch:
            self.epochs.append((self.epoch, self._position + 1))
