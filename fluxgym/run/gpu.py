"""The NVIDIA GPUs of this machine and what they do now, as the driver tells (NVML, through nvidia-ml-py). No GPU is normal.

A driver in trouble raises errors or does not answer at all, for hours. Here neither harms anybody: what cannot be had is None.
"""

import ctypes
import functools
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LIBRARY, DEVICES = "libnvidia-ml.so.1", Path("/dev")
PATIENCE = 5.0  # s; a driver that has to wake up a GPU first may need 2 or 3
HEAT, POWER_LIMIT, POWER_BRAKE, HARDWARE = "heat", "power limit", "power brake", "hardware"
THROTTLES = {  # bits of nvmlDeviceGetCurrentClocksEventReasons in nvml.h; a GPU at work is at its power limit mostly
    0x04: POWER_LIMIT,
    0x08: HARDWARE,  # heat, power or something else: the GPU does not say
    0x20: HEAT,
    0x40: HEAT,
    0x80: POWER_BRAKE,  # the machine's power supply asked for it
}


@dataclass(frozen=True)
class Gpu:
    """One GPU at one moment. None: not known, or this kind of GPU does not tell."""

    index: int  # by PCI bus, as nvidia-smi and CUDA_DEVICE_ORDER=PCI_BUS_ID count
    uuid: str
    name: str = ""
    memory_used: int | None = None  # bytes
    memory_total: int | None = None
    use: int | None = None  # % of the last second or less in which something ran on it
    power: float | None = None  # W
    power_limit: float | None = None
    temperature: int | None = None  # degrees Celsius
    throttled: tuple[str, ...] = ()  # why it runs slower than it could: HEAT, ...
    processes: tuple[tuple[int, int | None], ...] = ()  # (pid, bytes); in a container pids may be those of the host, or missing


def list_gpus(patience: float = PATIENCE) -> list[Gpu]:
    """All GPUs; empty where there is no driver, or none that answers. Takes `patience` seconds at most and raises nothing."""
    return _reader.read(patience)


def has_device() -> bool:
    """Whether there is a GPU and its driver, whatever that answers."""
    try:
        ctypes.CDLL(LIBRARY)
    except OSError:
        return False
    return any(DEVICES.glob("nvidia[0-9]*"))


class _Reader:
    """Asks the driver in a thread of its own, because a call that hangs in the kernel cannot be broken off."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._gpus: list[Gpu] = []

    def read(self, patience: float) -> list[Gpu]:
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._look, daemon=True)
                self._thread.start()
                self._thread.join(patience)
            if self._thread.is_alive():  # also of an earlier call: that it hangs is known, so nobody waits again
                return [Gpu(gpu.index, gpu.uuid, gpu.name) for gpu in self._gpus]
            self._thread = None
            return self._gpus

    def _look(self) -> None:
        try:
            nvml = _open_nvml()
            self._gpus = [gpu for index in range(nvml.nvmlDeviceGetCount()) if (gpu := _read(nvml, index))]
        except Exception:  # no driver, an old one, one in trouble, another package of this name: there are no GPUs to speak of
            self._gpus = []


@functools.cache
def _open_nvml() -> Any:
    """pynvml, ready. It takes 5 MB, so it is imported only where there is a driver. Raises OSError where there is none."""
    ctypes.CDLL(LIBRARY)
    import pynvml

    pynvml.nvmlInit()
    return pynvml


def _read(nvml: Any, index: int) -> Gpu | None:
    """One GPU; None where not even its name can be had."""
    handle = _try(lambda: nvml.nvmlDeviceGetHandleByIndex(index))
    uuid = handle and _try(lambda: nvml.nvmlDeviceGetUUID(handle))
    if not uuid:
        return None
    memory = _try(lambda: nvml.nvmlDeviceGetMemoryInfo(handle))
    use = _try(lambda: nvml.nvmlDeviceGetUtilizationRates(handle))
    power = _try(lambda: nvml.nvmlDeviceGetPowerUsage(handle))  # mW, as the limit
    limit = _try(lambda: nvml.nvmlDeviceGetEnforcedPowerLimit(handle))
    reasons = _try(lambda: nvml.nvmlDeviceGetCurrentClocksEventReasons(handle))
    if reasons is None:  # what it was called before driver 535
        reasons = _try(lambda: nvml.nvmlDeviceGetCurrentClocksThrottleReasons(handle))
    processes = _try(lambda: nvml.nvmlDeviceGetComputeRunningProcesses(handle)) or []
    return Gpu(
        index,
        uuid,
        _try(lambda: nvml.nvmlDeviceGetName(handle)) or "",
        memory and memory.used,
        memory and memory.total,
        use and use.gpu,
        None if power is None else power / 1000,
        None if limit is None else limit / 1000,
        _try(lambda: nvml.nvmlDeviceGetTemperature(handle, nvml.NVML_TEMPERATURE_GPU)),
        tuple(dict.fromkeys(word for bit, word in THROTTLES.items() if (reasons or 0) & bit)),
        tuple((process.pid, process.usedGpuMemory) for process in processes),
    )


def _try(ask: Callable[[], Any]) -> Any:
    """The answer, or None: one question that a GPU, a driver or a version does not answer must not hide the others."""
    try:
        return ask()
    except Exception:
        return None


_reader = _Reader()
