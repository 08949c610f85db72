"""All processes of a run's training: what it started, also what left its process group, its session or its parent.

A training is started with FLUXGYM_RUN=<its folder> and FLUXGYM_ATTEMPT=<which start> in its environment, which everything
that it starts inherits. So its processes are found after their parents died, and by a supervisor that came later; and those
of an earlier run, whose folder was deleted under it, are not mistaken for those of the run that has the folder now.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from fluxgym.run.identity import Identity, Stat, boot_id, is_alive, read_stat
from trainer.folder import RunFolder

MARK, ATTEMPT_MARK = "FLUXGYM_RUN", "FLUXGYM_ATTEMPT"
JOB = "FLUXGYM_JOB"  # of a supervisor inside a job of a cluster: the job's id
TOLD = "FLUXGYM_TOLD"  # of a new supervisor there: signals that came before it was up, "USR1 XCPU"
MARKS = (MARK, ATTEMPT_MARK, JOB)  # what no other run may inherit
KEY, PASSWORD_HASH = "FLUXGYM_KEY", "FLUXGYM_PASSWORD_HASH"  # the owner's: a training may print its environment
NOT_PASSED_ON = (*MARKS, KEY, PASSWORD_HASH)


@dataclass(frozen=True)
class Member:
    """One process of the family, as it was when looked at."""

    identity: Identity
    stat: Stat


def mark(folder: RunFolder) -> str:
    """Value of MARK for a run."""
    return str(folder.path.resolve())


def find_family(folder: RunFolder, leader: Identity | None = None, attempt: str = "") -> list[Member]:
    """The living processes of a run's training, the eldest first: marked ones, the leader, and all descendants of these.

    `attempt`: a Record.attempt_mark; only that attempt's."""
    wanted = {f"{MARK}={mark(folder)}".encode(errors="surrogateescape")}
    if attempt:
        wanted.add(f"{ATTEMPT_MARK}={attempt}".encode())
    living = {pid: stat for pid, stat in _all_processes().items() if is_alive(stat)}
    found = {pid for pid in living if pid != os.getpid() and wanted <= _environment(pid)}
    if leader and leader.pid in living and leader.alive():
        found.add(leader.pid)
    grown = found
    while grown:
        grown = {pid for pid, stat in living.items() if stat.parent in grown and pid not in found}
        found |= grown
    members = [Member(Identity(pid, living[pid].start_ticks, boot_id()), living[pid]) for pid in found]
    return sorted(members, key=lambda member: (member.stat.start_ticks, member.identity.pid))


def find_marks() -> set[str]:
    """The runs of which some process is alive, as mark() names them: one look for those who ask about many runs."""
    begin = f"{MARK}=".encode()
    marks = {said for path in Path("/proc").iterdir() if path.name.isdecimal() for said in _environment(int(path.name))}
    return {os.fsdecode(said.removeprefix(begin)) for said in marks if said.startswith(begin)}


def _all_processes() -> dict[int, Stat]:
    stats = {int(path.name): read_stat(int(path.name)) for path in Path("/proc").iterdir() if path.name.isdecimal()}
    return {pid: stat for pid, stat in stats.items() if stat}


def _environment(pid: int) -> set[bytes]:
    try:
        return set(Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"))
    except OSError:  # gone, or somebody else's
        return set()
