"""Which process is meant: (pid, start ticks, boot id), and on which host. A pid alone is a stranger.

Linux gives a pid to a new process once the old one is gone; the ticks since boot at which the process started (field 22 of
/proc/<pid>/stat) tell the two apart, and the boot id tells two boots apart, also of a container. psutil's create_time() would
not do: it moves when somebody sets the clock.
"""

import functools
import os
import signal
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
SIGNAL_GROUP = 1 << 2  # PIDFD_SIGNAL_PROCESS_GROUP, Linux 6.9


@dataclass(frozen=True)
class Stat:
    """The fields of /proc/<pid>/stat that we use."""

    state: str  # R S D T Z ...; Z and X are dead
    parent: int
    start_ticks: int
    cpu_seconds: float  # user and system, without children
    memory: int  # bytes, resident


@dataclass(frozen=True)
class Identity:
    """One process of one boot. The same pid in the hands of somebody else is not equal to it."""

    pid: int
    start_ticks: int
    boot_id: str
    host: str = field(default="", compare=False)  # the machine's name, which tells another from a reboot; empty: not known

    @classmethod
    def of(cls, pid: int) -> Self | None:
        """The process that has this pid now; None when there is none, or only its zombie."""
        stat = read_stat(pid)
        return cls(pid, stat.start_ticks, boot_id(), host_name()) if stat and is_alive(stat) else None

    @classmethod
    def of_child(cls, pid: int) -> Self:
        """A child of ours that was not waited for; it may have ended already."""
        stat = read_stat(pid)
        if stat is None:
            raise ProcessLookupError(f"process {pid} is no child of ours")
        return cls(pid, stat.start_ticks, boot_id(), host_name())

    @property
    def is_of_this_boot(self) -> bool:
        return self.boot_id == boot_id()

    @property
    def is_elsewhere(self) -> bool:
        """Whether it is of another machine (or container), where nobody here can see or signal it. A machine that was renamed
        is the same as long as it runs."""
        return bool(self.host) and self.host != host_name() and not self.is_of_this_boot

    def alive(self) -> bool:
        """Whether this very process runs; a zombie does not."""
        return self.is_of_this_boot and Identity.of(self.pid) == self

    def age_seconds(self) -> float:
        """Since it was started, by the clock of the boot, which nobody can set; it need not live any more."""
        return time.clock_gettime(time.CLOCK_BOOTTIME) - self.start_ticks / os.sysconf("SC_CLK_TCK")

    def signal(self, number: int) -> bool:
        """Sends a signal to this process; False when it is gone. The pid is pinned first and looked at again after that."""
        return self._send(number, 0)

    def signal_group(self, number: int) -> bool:
        """The same for the process group that this process leads."""
        return self._send(number, SIGNAL_GROUP)

    def _send(self, number: int, flags: int) -> bool:
        try:
            pidfd = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return False
        except OSError:  # a kernel or sandbox without pidfd: check and send, with a gap of microseconds between
            return self.alive() and _kill(self.pid, number, flags)
        try:
            if not self.alive():
                return False
            signal.pidfd_send_signal(pidfd, number, None, flags)
        except ProcessLookupError:
            return False
        except OSError:  # this kernel does not know the flag
            return self.alive() and _kill(self.pid, number, flags)
        finally:
            os.close(pidfd)
        return True


def _kill(pid: int, number: int, flags: int) -> bool:
    try:
        os.kill(-pid if flags else pid, number)
    except ProcessLookupError:
        return False
    return True


def host_name() -> str:
    """What this machine is called."""
    return os.uname().nodename


@functools.cache
def boot_id() -> str:
    """This boot of the machine and, as the start of its process 1, of the container: that one restarts by itself."""
    first = read_stat(1)
    return f"{BOOT_ID.read_text().strip()}/{first.start_ticks if first else 0}"


def boot_age() -> float:
    """Seconds since this boot of the machine, or of the container, began."""
    first = read_stat(1)
    return time.clock_gettime(time.CLOCK_BOOTTIME) - (first.start_ticks if first else 0) / os.sysconf("SC_CLK_TCK")


def known_boot(said: str) -> str:
    """The boot that a run.json tells of. At first it named the machine's alone: then this container is taken for granted."""
    return boot_id() if said == boot_id().partition("/")[0] else said


def read_stat(pid: int) -> Stat | None:
    """What the kernel says of a pid now; None when there is no such process."""
    try:
        raw = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return None
    # The second field is the command in brackets; it may itself hold spaces and brackets, so count from the last one.
    fields = raw[raw.rindex(b")") + 2 :].split()
    ticks = os.sysconf("SC_CLK_TCK")
    cpu = (int(fields[11]) + int(fields[12])) / ticks
    return Stat(fields[0].decode(), int(fields[1]), int(fields[19]), cpu, int(fields[21]) * os.sysconf("SC_PAGE_SIZE"))


def is_alive(stat: Stat) -> bool:
    return stat.state not in "ZX"
