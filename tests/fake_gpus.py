"""NVIDIA GPUs for machines without any: a real libnvidia-ml.so.1, compiled from fake_nvml.c, whose GPUs are lines of a file.

Processes see them when `environment` is theirs from their start; the file may be changed while they run."""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

SOURCE = Path(__file__).with_name("fake_nvml.c")
IDLE = "{uuid} 500 24576 0 20 350 40 1 -"


@dataclass(frozen=True)
class FakeGpus:
    """A machine's GPUs. See fake_nvml.c for what a line says."""

    folder: Path

    @classmethod
    def make(cls, folder: Path, *lines: str) -> "FakeGpus":
        """Compiles the library into a folder; skips the test where there is no C compiler."""
        compiler = shutil.which("cc") or shutil.which("gcc")
        if not compiler:
            pytest.skip("no C compiler to make a fake NVIDIA driver with")
        folder.mkdir(parents=True, exist_ok=True)
        library = folder / "libnvidia-ml.so.1"
        subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, SOURCE], check=True)
        gpus = cls(folder)
        gpus.write(*lines)
        return gpus

    def write(self, *lines: str) -> None:
        beside = self.folder / "gpus.new"
        beside.write_text("".join(f"{line}\n" for line in lines))
        beside.replace(self.folder / "gpus")

    @property
    def environment(self) -> dict[str, str]:
        return {"LD_LIBRARY_PATH": str(self.folder), "FAKE_GPUS": str(self.folder / "gpus")}
