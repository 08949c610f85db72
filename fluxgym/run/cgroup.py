"""Whether the kernel ended processes of our container (or session) because memory ran out: it counts that for each cgroup."""

import contextlib
import re
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
OURS = Path("/proc/self/cgroup")
COUNT = re.compile(r"^oom_kill (\d+)$", re.MULTILINE)


def count_oom_kills() -> int | None:
    """So many processes until now; None where the kernel does not say."""
    for path in _files():
        with contextlib.suppress(OSError):
            if found := COUNT.search(path.read_text()):
                return int(found[1])
    return None


def _files() -> list[Path]:
    """Where the count may be: cgroup v2, then v1. A container often sees its own group as the root, whatever its name says."""
    try:
        lines = [line.split(":", 2) for line in OURS.read_text().splitlines()]
    except OSError:
        return []
    files = []
    for _, controllers, name in (line for line in lines if len(line) == 3):
        if not controllers:
            files += [ROOT / name.strip("/") / "memory.events", ROOT / "memory.events"]
        elif "memory" in controllers.split(","):
            files += [ROOT / "memory" / name.strip("/") / "memory.oom_control", ROOT / "memory" / "memory.oom_control"]
    return files
