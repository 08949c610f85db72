"""What can be seen of a training from outside at one moment, and what that means, in words.

It never decides whether a training is stuck, its progress does (fluxgym.run.stall): a hung one may keep its GPU at 100 %.
"""

from dataclasses import dataclass

from fluxgym.run.gpu import HARDWARE, HEAT, POWER_BRAKE, Gpu

SUSPENDED = "T"  # state of a process after SIGSTOP, or Ctrl-Z in a terminal
IDLE_USE = 5  # % of a GPU
IDLE_CPU = 0.05  # cores
FULL_MEMORY, LOW_POWER = 0.97, 0.5  # of the GPU's total, of its limit: full and cool means that it waits for memory elsewhere
LITTLE_DISK = 2**30  # bytes
NOT_SEEN = "the reason is not seen here"


@dataclass(frozen=True)
class Evidence:
    """One moment. None: not known."""

    taken: float  # monotonic time
    cpu: float | None = None  # cores used by all processes of the training since the last evidence
    moved: int | None = None  # bytes that they read and wrote since then
    seconds: float = 0.0  # how long that was
    memory: int = 0  # bytes, resident
    states: str = ""  # each state that one of them is in, as /proc/<pid>/stat names it
    processes: int = 0
    disk_free: int | None = None  # bytes
    load: float | None = None  # of the whole machine, mean of a minute
    cores: int = 1
    gpus: tuple[Gpu, ...] = ()  # those of this run
    others: tuple[tuple[int, int | None], ...] = ()  # (pid, bytes) of strangers on them
    last_line: str = ""  # of the training's log
    log_is_read: bool = True  # False: what the training writes does not go into the file that is read

    @property
    def is_busy(self) -> bool:
        """Whether the training computes something."""
        return bool((self.cpu or 0) >= 0.5 or any((gpu.use or 0) >= 50 for gpu in self.gpus))

    @property
    def wants_cpu(self) -> bool:
        """Whether it is on a CPU, or waits for one, at this moment; or computes on one most of the time."""
        return "R" in self.states or (self.cpu or 0) >= 0.5

    @property
    def is_spilling(self) -> bool:
        """A full, busy, cool GPU: its driver keeps what does not fit in the machine's memory (Windows and WSL do)."""
        return any(_is_full(gpu) and (gpu.use or 0) >= 50 and _is_cool(gpu) for gpu in self.gpus)

    @property
    def is_on_cpu(self) -> bool:
        """Computes, and none of its GPUs does."""
        return (self.cpu or 0) >= 0.5 and bool(self.gpus) and all(gpu.use is not None and gpu.use < 2 for gpu in self.gpus)


def span(seconds: float) -> str:
    """75 s, 9 m, 1 h 10 m"""
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{minutes} m" if not hours else f"{hours} h {minutes} m" if minutes else f"{hours} h"


def tell_state(evidence: Evidence) -> str:
    """What is seen of a training that makes no progress: sentences."""
    said = []
    if SUSPENDED in evidence.states:
        said.append("Its process is suspended (SIGSTOP); SIGCONT lets it go on.")
    if "D" in evidence.states:
        said.append("A process of it waits for a disk or a driver (state D).")
    if evidence.disk_free is not None and evidence.disk_free < LITTLE_DISK:
        said.append(f"Its disk has {evidence.disk_free / 2**20:,.0f} MiB left.")
    uses = [gpu.use for gpu in evidence.gpus if gpu.use is not None]
    if uses:
        name = "The GPU is" if len(uses) == 1 else "Its GPUs are"
        said.append(f"{name} idle." if max(uses) <= IDLE_USE else f"{name} busy ({max(uses)} %).")
    elif evidence.cpu is not None and SUSPENDED not in evidence.states:
        is_idle = evidence.cpu < IDLE_CPU
        said.append("It uses no CPU." if is_idle else f"It uses {evidence.cpu:.1f} of {evidence.cores} CPU cores.")
    return " ".join(said)


def tell_why_slow(evidence: Evidence, is_hungry: bool) -> str:
    """The reason why a training became slower, "perhaps" where it is only likely: the end of a sentence.

    `is_hungry`: it wants the CPU, look after look. One that sleeps is not kept waiting by what others compute."""
    gpu = next((gpu for gpu in evidence.gpus if gpu.throttled), None)
    if evidence.is_spilling:
        return "GPU memory is spilling into RAM"
    if evidence.is_on_cpu:
        return "it computes on the CPU, its GPU is idle"
    if gpu and HEAT in gpu.throttled:
        return "the GPU is too hot" + (f" ({gpu.temperature} C)" if gpu.temperature is not None else "") + " and slows down"
    if gpu and (HARDWARE in gpu.throttled or POWER_BRAKE in gpu.throttled):
        return "the GPU slows down to protect itself or its power supply"
    if evidence.others:
        pid, used = max(evidence.others, key=lambda other: other[1] or 0)
        memory = f" with {used / 2**30:,.1f} GiB" if used else ""
        return f"perhaps another program, which is on its GPU, process {pid}{memory}"
    if "D" in evidence.states:
        return "perhaps it waits for the disk"
    if evidence.disk_free is not None and evidence.disk_free < LITTLE_DISK:
        return f"perhaps its disk, which has {evidence.disk_free / 2**20:,.0f} MiB left"
    strangers = (evidence.load or 0) - (evidence.cpu or 0)
    if is_hungry and (evidence.load or 0) > evidence.cores and strangers > evidence.cores / 2:
        return f"perhaps other programs use the CPU, load {evidence.load:.1f} on {evidence.cores} cores"
    return NOT_SEEN


def _is_full(gpu: Gpu) -> bool:
    return bool(gpu.memory_total) and (gpu.memory_used or 0) >= FULL_MEMORY * (gpu.memory_total or 0)


def _is_cool(gpu: Gpu) -> bool:
    return bool(gpu.power and gpu.power_limit) and (gpu.power or 0) <= LOW_POWER * (gpu.power_limit or 0)
