"""Regional compilation: each repeated block becomes a few fused kernels, and all blocks of a kind share them.

Compiling costs time at the first step, and more for every size of image; it repays itself over a training that is long
enough (`is_worth_it`). What was compiled is kept beside the runs, for the next training and for a resume. Where it cannot be
compiled, for want of a compiler say, the training says so and goes on without. Samples and validation run as they are: their
sizes are others, and would have to be compiled too."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from trainer.blocks import find_turns
from trainer.report import say, warn

SAVING = 0.2  # of a step's time: 25 to 35 % with OneTrainer, 10 to 25 % with musubi-tuner [their users' reports]
COLD, WARM = 25.0, 4.0  # s for each graph, forward and backward; from the cache [measured on a CPU, assumed for a GPU]
GRAPHS_OF_A_KIND = 2  # the first block of a kind and all others differ: nothing before the first needs a gradient
MFU = 0.35  # of a training without, from which the time of a step is guessed [assumed]
FEW_SHAPES = 4  # up to which each has graphs of its own; beyond that, graphs hold for all sizes at once
CACHE, MARK = ".compiled", "fluxgym-"


def find_cache(outputs: Path) -> Path:
    """Where compiled kernels outlive a run: beside the runs, unless the environment names a place."""
    return Path(os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(outputs.resolve() / CACHE)))


def count_graphs(kinds: int, shapes: int) -> int:
    return kinds * GRAPHS_OF_A_KIND * (shapes if shapes <= FEW_SHAPES else 1)


def is_worth_it(steps: int, seconds: float | None, graphs: int, is_warm: bool) -> bool:
    """Whether a training saves more by compiled blocks than they cost: steps * seconds * SAVING > graphs * (COLD or WARM).

    `seconds` of a step without, None where it cannot be guessed: then nothing is compiled. `steps` are those of the whole
    training, not those left, so that a resume decides as its beginning did and has the same numbers bit for bit."""
    return seconds is not None and steps * seconds * SAVING > graphs * (WARM if is_warm else COLD)


def find_mark(cache: Path, *about: object) -> Path:
    """The file which says that what a training like this compiles is in the cache already."""
    key = hashlib.sha256(repr((torch.__version__, *about)).encode()).hexdigest()[:16]
    return cache / f"{MARK}{key}"


def compile_blocks(transformer: Any, shapes: int, mark: Path) -> None:
    """Replaces what each block computes by a compiled form of it, which is made when it is called first.

    Checkpointing and swapping stay outside of what is compiled."""
    is_dynamic = shapes > FEW_SHAPES
    import torch._dynamo
    import torch._functorch.config
    import torch._inductor

    torch._dynamo.config.recompile_limit = max(8, 4 * min(shapes, FEW_SHAPES))  # graphs of one kind of block
    torch._functorch.config.force_non_lazy_backward_lowering = True  # or what fails of it fails in the backward pass
    torch._inductor.config.fallback_random = True  # dropout draws what it draws without
    turns = find_turns(transformer)
    say(f"Compiling {len(turns)} blocks when they are first used; kept in {mark.parent}")
    state = _State(mark, calls_left=2 * len(turns))
    for turn in turns:
        turn.compute = _Compiled(turn.compute, is_dynamic, state)


@dataclass
class _State:
    """What the blocks of a transformer share."""

    mark: Path
    calls_left: int  # until the first step is over for sure: forward and backward are then compiled
    is_off: bool = False  # something could not be compiled: nothing more is tried


class _Compiled:
    """What a block computes: compiled where gradients are wanted, plain from the first failure to compile on.

    A block that was compiled stays so when another fails: in the backward pass a checkpoint has to find what it computed."""

    def __init__(self, plain: Any, is_dynamic: bool, state: _State):
        self.plain, self.state = plain, state
        self.compiled = torch.compile(plain, fullgraph=True, dynamic=is_dynamic)
        self.works: bool | None = None  # None: it was not tried

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        is_off = self.works is False or (self.works is None and self.state.is_off)
        if is_off or not torch.is_grad_enabled():
            return self.plain(*args, **kwargs)
        try:
            out = self.compiled(*args, **kwargs)
        except Exception as error:
            if not is_compile_error(error):
                raise
            self.works = False
            self._tell(error)
            return self.plain(*args, **kwargs)
        self.works = True
        self.state.calls_left -= 1
        if self.state.calls_left == 0:
            self.state.mark.parent.mkdir(parents=True, exist_ok=True)
            self.state.mark.touch()
        return out

    def _tell(self, error: Exception) -> None:
        """Once for all blocks."""
        if not self.state.is_off:
            reason = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
            warn(f"speed.compile: not all blocks can be compiled here, so the training goes on without; {reason[:300]}")
        self.state.is_off = True


def is_compile_error(error: BaseException) -> bool:
    """Whether it was the compiler that failed, and not what was compiled."""
    from torch._dynamo.exc import FailOnRecompileLimitHit, TorchDynamoException

    return isinstance(error, TorchDynamoException | FailOnRecompileLimitHit)
