"""Trainings as they are, hours of them in a second: their log is written line by line, in time that only exists here, while a
judge looks at it every 5 s as the supervisor does. With phases as long as they are on a GPU of a rented machine."""

import gzip
import random
import time
from collections.abc import Iterable
from pathlib import Path

from tqdm import tqdm

from fluxgym.log.history import History
from fluxgym.run.evidence import Evidence
from fluxgym.run.stall import Finding, Judge

LOOK_EVERY, EVIDENCE_EVERY = 5.0, 30.0  # s
BEGIN = 1_790_000_000.0  # wall time at which it all begins


class Hangs(Exception):
    """From here on the training writes nothing more."""


class Replay:
    """A log that grows and the judge who reads it. `now` is monotonic time, `clock` what the wall clock is ahead of it."""

    def __init__(self, path: Path, announces: bool = True, wrapped: str = ""):
        self.path, self.wrapped = path, wrapped
        self.judge, self.history = Judge(announces=announces), History(path, keep_curve=False)
        self.now, self.clock = 0.0, BEGIN
        self.seen: dict[str, object] = {}  # of the evidence, beside its time
        self.said: list[tuple[float, Finding]] = []  # what changed in the judge's verdict, and when
        self.finding = Finding()
        self.hangs_after = ""  # the line of our trainer that begins so is its last one
        self._next_look, self._evidence = 0.0, Evidence(0.0)
        self._random = random.Random(4)
        path.write_text("=== Attempt 1, 2026-09-21 12:00:00 ===\n")

    def write(self, text: str) -> None:
        with self.path.open("a") as log:
            log.write(text)

    def say(self, text: str) -> None:
        """A line of our trainer."""
        self.write(f"{time.strftime('%Y-%m-%d %H:%M:%S', time.gmtime(self.clock + self.now))} {text}\n")
        if self.hangs_after and text.startswith(self.hangs_after):
            raise Hangs

    def wait(self, seconds: float) -> None:
        """Time goes by, and the judge looks."""
        end = self.now + seconds
        while self._next_look <= end:
            self.now = self._next_look
            self._next_look += LOOK_EVERY
            self.look()
        self.now = end

    def sleep(self, seconds: float) -> None:
        """Time goes by in which nobody does anything."""
        self.now += seconds
        self._next_look = max(self._next_look, self.now)

    def skip_looks(self, seconds: float) -> None:
        """The judge does not look for so long, whatever happens."""
        self._next_look = self.now + seconds

    def read(self, seconds: float) -> None:
        """Time in which a model is read."""
        before = self.seen
        self.seen = {"moved": 900 * 2**20} | before
        self.wait(self.about(seconds))
        self.seen = before

    def look(self) -> None:
        if self.now - self._evidence.taken >= EVIDENCE_EVERY or self.finding.verdict != "well":
            self._evidence = Evidence(self.now, **(self.seen | {"last_line": self._last_line()}))  # type: ignore[arg-type]
        self.history.update()
        found = self.judge.look(self.now, self.history, self._evidence)
        if found.verdict != self.finding.verdict:
            self.said.append((self.now, found))
        self.finding = found

    def _last_line(self) -> str:
        return self.path.read_bytes()[-2000:].decode(errors="replace").replace("\r", "\n").rstrip("\n").split("\n")[-1]

    @property
    def verdicts(self) -> list[str]:
        return [found.verdict for _, found in self.said]

    def about(self, seconds: float) -> float:
        """A time as it comes out: mostly that, at times a fifth more or less, seldom much more."""
        return seconds * (self._random.uniform(0.95, 1.1) if self._random.random() < 0.98 else self._random.uniform(2, 4))

    # ---- our trainer ---------------------------------------------------------------------------------------------
    def step(self, step: int, total: int, pace: float, loss: str = "0.5000") -> None:
        self.wait(pace)
        postfix = f"loss={loss}, avr_loss={loss}, lr=2e-04"
        self.say(tqdm.format_meter(step, total, self.now, prefix="steps", rate=1 / pace, postfix=postfix))

    def steps(self, steps: Iterable[int], total: int, pace: float) -> None:
        for step in steps:
            self.step(step, total, self.about(pace))

    def prepare(self, total: int, epochs: int, images: int = 24) -> None:
        """From the start to before the first step: models are loaded, everything is cached, the first samples drawn."""
        self.read(35)  # torch and diffusers from a network volume
        self.say("Loading text encoders: black-forest-labs/FLUX.1-dev")
        self.read(140)
        for number in range(1, images + 1):
            self.wait(self.about(2.5))
            self.say(f"Caching text embeddings: {number}/{images}")
        self.say("Loading VAE: black-forest-labs/FLUX.1-dev")
        self.read(12)
        for number in range(1, images + 1):
            self.wait(self.about(1.2))
            self.say(f"Caching latents: {number}/{images}")
        self.say("Loading transformer: black-forest-labs/FLUX.1-dev")
        self.read(420)  # 24 GB that nobody has in memory yet
        plan = f"{total} steps, {epochs} epochs of {total // epochs} steps"
        self.say(f"Training: {plan}, batch 1, 18,677,760 LoRA parameters, bf16 base on cuda")
        self.sample(0, "e000000")

    def sample(self, step: int, mark: str) -> None:
        self.say(f"Sampling: 3 prompts at step {step}")
        for number in range(3):
            self.wait(self.about(41))
            self.say(f"Saving sample: outputs/a/sample/a_{mark}_{number:02d}_20260921120000_42.png")

    def finish_epoch(self, epoch: int, step: int) -> None:
        self.wait(self.about(95))  # validation: 4 images held out, ten noise levels each
        self.say(f"Validation: loss 0.4321 at step {step}")
        self.wait(self.about(4))
        self.say(f"Saving LoRA: outputs/a/a-{epoch:06d}.safetensors")
        self.sample(step, f"e{epoch:06d}")
        self.wait(self.about(50))  # a state on a slow volume
        self.say(f"Saving checkpoint: outputs/a/a-{epoch}-state")

    def ours(self, epochs: int = 20, length: int = 76, pace: float = 1.3) -> None:
        """A whole run of our trainer; the first step compiles."""
        total = epochs * length
        self.prepare(total, epochs)
        for epoch in range(1, epochs + 1):
            self.say(f"Epoch {epoch}/{epochs}")
            if epoch == 1:
                self.wait(380)
            self.steps(range((epoch - 1) * length + 1, epoch * length + 1), total, pace)
            self.finish_epoch(epoch, epoch * length)
        self.wait(4)
        self.say("Saving LoRA: outputs/a/a.safetensors")
        self.say("Training finished")

    def recorded(self, recording: Path, stretch: float) -> None:
        """A log of our trainer that was recorded, so many times slower."""
        lines = [line for line in gzip.decompress(recording.read_bytes()).decode().splitlines() if line[:2].isdigit()]
        begin, clocks = self.now, [time.mktime(time.strptime(line[:19], "%Y-%m-%d %H:%M:%S")) for line in lines]
        for line, clock in zip(lines, clocks, strict=True):
            self.wait(begin + stretch * (clock - clocks[0]) - self.now)
            self.say(line[20:])

    # ---- kohya sd-scripts ----------------------------------------------------------------------------------------
    def bar(self, name: str, total: int, pace: float, first: int = 1, last: int | None = None) -> None:
        """A bar drawn over itself, with no end of a line until it is full."""
        for number in range(first, (last or total) + 1):
            self.wait(self.about(pace))
            postfix = "avr_loss=0.432" if name == "steps" else None
            self.write("\r" + tqdm.format_meter(number, total, self.now, prefix=name, postfix=postfix))
        self.write("\n")

    def kohya_prepare(self, total: int, epochs: int) -> None:
        self.read(50)
        self.write("2026-09-21 12:00:00 INFO     Loading dataset config from /x/dataset.toml\n")
        self.wait(self.about(3))
        self.write("                    INFO     Building Flux model dev from BFL checkpoint      flux_utils.py:116\n")
        self.read(200)
        self.write("                    INFO     Loading state dict from /x/t5xxl.safetensors     flux_utils.py:330\n")
        self.read(90)
        self.write("                    INFO     caching latents...                         train_util.py:1038\n")
        self.bar("", 15, 2.0)
        self.write("                    INFO     caching Text Encoder outputs with caching strategy.\n")
        self.bar("", 15, 11.0)
        self.write(f"running training / x\n  num epochs / x: {epochs}\n  total optimization steps / x: {total}\n")
        self.write("\r" + tqdm.format_meter(0, total, 0, prefix="steps") + "\n")

    def kohya(self, epochs: int = 20, length: int = 60, pace: float = 3.2) -> None:
        """A whole run of kohya's trainer, with a validation in the middle of each epoch that no line announces."""
        total = epochs * length
        self.kohya_prepare(total, epochs)
        for epoch in range(1, epochs + 1):
            begin, half = (epoch - 1) * length, length // 2
            self.write(f"epoch {epoch}/{epochs}\n")
            self.wait(30 + 100 * (epoch == 1))  # the loaders' processes come up
            self.write(f"epoch is incremented. current_epoch: {epoch - 1}, epoch: {epoch}\n")
            self.bar("steps", total, pace, begin + 1, begin + half)
            self.wait(38)  # the text encoder comes back from the machine's memory
            self.bar("validation steps", 40, 4.1)
            self.bar("steps", total, pace, begin + half + 1, begin + length)
            self.write("saving checkpoint: /out/x.safetensors\n")
            self.wait(self.about(9))
            self.write(f"saving state at epoch {epoch}\n")
            self.wait(self.about(70))
            self.write("                    INFO     generating sample images at step / x: 60       flux_train_utils.py:39\n")
            self.bar("", 20, 3.0)
        self.write("saving checkpoint: /out/x.safetensors\n")
        self.wait(9)
        self.write("                    INFO     model saved.                            train_network.py:1081\n")
