"""The script of a run's job: what Slurm is asked for, and the supervisor that it starts on the first node.

A shell stands between Slurm and the supervisor, which passes signals on, and starts another supervisor where one was killed:
that one takes the training over, which went on meanwhile.
"""

import dataclasses
import os
import re
import shlex
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fluxgym.run.family import JOB, TOLD
from fluxgym.run.folders import PROJECT
from trainer.folder import RunFolder
from trainer.slurm import find_options, read_time_limit

AHEAD = 180  # s before its time limit that a job is told to end; Slurm looks at limits once in a while only
TRIES = 5  # supervisors, one after the other, none of which lives for a minute
SHARE = 4  # of a short time limit, so much of it at most is given to the end
# for sbatch a variable wins over the script: what a run needs for itself, and what a person chose, is left out of those
NEEDED = ("ARRAY_INX", "ERROR", "NO_REQUEUE", "OPEN_MODE", "OUTPUT", "REQUEUE", "SIGNAL", "WAIT")
DEVICES = ("CPUS_PER_GPU", "GPUS", "GPUS_PER_NODE", "GPUS_PER_SOCKET", "GPUS_PER_TASK", "GRES")  # no GPUs is a choice, too
MEMORY = ("MEM_PER_CPU", "MEM_PER_GPU", "MEM_PER_NODE")
NAMED = {"mem": MEMORY, "mem-per-cpu": MEMORY, "mem-per-gpu": MEMORY, "time": ("TIMELIMIT",)}  # others as their option
BEFORE = """
fluxgym_told= # what it is told during the lines below, its supervisor hears after them
trap 'fluxgym_told="$fluxgym_told USR1"' USR1
trap 'fluxgym_told="$fluxgym_told USR2"' USR2
trap 'fluxgym_told="$fluxgym_told XCPU"' XCPU
"""
HIDE_GPUS = """# without GPUs of its own a job may see all of its node
[ -n "$SLURM_GPUS_ON_NODE$SLURM_SHARDS_ON_NODE" ] || export CUDA_VISIBLE_DEVICES=
"""
BODY = """
set +eu # whatever the lines above have set
cd {project}
export {job}=$SLURM_JOB_ID
pass_on() {{ fluxgym_told="$fluxgym_told $1"; [ -z "$supervisor" ] || kill -s "$1" "$supervisor" 2>/dev/null; }}
ending= # once it is told to end, nobody else begins
trap 'ending=1; pass_on TERM' TERM
trap 'ending=1; pass_on XCPU' XCPU
trap 'pass_on USR1' USR1
trap 'pass_on USR2' USR2
left={tries}
while true; do
    begun=$SECONDS
    told=$fluxgym_told # also what one before it heard, or died of while it was starting
    supervisor=
    {told}="$told" {supervisor} &
    supervisor=$! missed=${{fluxgym_told#"$told"}} # at once: no signal comes between the parts of one command
    for each in $missed; do kill -s "$each" "$supervisor" 2>/dev/null; done
    while kill -0 "$supervisor" 2>/dev/null; do wait "$supervisor"; done # a signal that is passed on ends a wait
    wait "$supervisor"
    code=$?
    [ $((SECONDS - begun)) -lt 60 ] && left=$((left - 1)) || left={tries}
    [ "$code" -gt 128 ] && [ "$left" -gt 0 ] && [ -z "$ending" ] || exit "$code"
    # it was killed: the next takes the training over
    sleep 1
done
"""


@dataclass(frozen=True)
class Wish:
    """What a job asks Slurm for: the table [slurm] of config.toml, see trainer.config.Slurm."""

    partition: str = ""
    account: str = ""
    qos: str = ""
    nodes: int = 1
    gpus: int = 1  # on each node
    cpus: int = 4  # on each node
    memory: str = ""  # on each node
    time_limit: str = ""
    lines: list[str] = field(default_factory=list)


def read_wish(settings: Mapping[str, Any]) -> Wish:
    """That of a run's settings, which were checked when they were written; what is missing or of a wrong kind is usual."""
    said = settings.get("slurm")
    known = {each.name: each for each in dataclasses.fields(Wish)}
    usual = Wish()
    given = said.items() if isinstance(said, Mapping) else ()
    return Wish(**{name: value for name, value in given if name in known and type(value) is type(getattr(usual, name))})


def make_script(folder: RunFolder, wish: Wish) -> str:
    """The script that sbatch is given."""
    heads = [line for line in wish.lines if line.startswith("#SBATCH")]
    before = [line for line in wish.lines if not line.startswith("#SBATCH")]
    options = {
        "job-name": folder.name,
        "output": _pattern(folder.monitor_log.absolute()),
        "open-mode": "append",
        "chdir": str(PROJECT),
        "partition": wish.partition,
        "account": wish.account,
        "qos": wish.qos,
        "nodes": str(wish.nodes),
        "ntasks-per-node": "1",
        "cpus-per-task": str(wish.cpus),
        "gres": f"gpu:{wish.gpus}" if wish.gpus else "",
        "mem": wish.memory,
        "time": wish.time_limit,
        "signal": f"B:{signal.SIGXCPU:d}@{_ahead(wish.time_limit)}",  # SIGTERM would look like the end itself
    }
    named = [f"#SBATCH --{name}={_quote(value)}" for name, value in options.items() if value]
    supervisor = shlex.join([sys.executable, "-m", "fluxgym.run", str(folder.path.absolute())])
    body = BODY.format(job=JOB, told=TOLD, project=shlex.quote(str(PROJECT)), supervisor=supervisor, tries=TRIES)
    begin = BEFORE if wish.gpus else BEFORE + HIDE_GPUS
    return "\n".join(["#!/bin/bash", *named, "#SBATCH --requeue", *heads, begin, *before, body.strip(), ""])


def find_overruled(script: str, is_chosen: bool) -> set[str]:
    """The variables of sbatch that must not win over the script. `is_chosen`: a person chose what it asks for."""
    options = [name for line in script.splitlines() for name in find_options(line)] if is_chosen else []
    said = [NAMED.get(name, (name.upper().replace("-", "_"),)) for name in options]
    return {f"SBATCH_{name}" for names in (NEEDED, DEVICES if is_chosen else (), *said) for name in names}


def _ahead(time_limit: str) -> int:
    """Seconds before the end at which it is told to end; never most of a short time."""
    try:
        limit = read_time_limit(time_limit)
    except ValueError:  # Slurm will say what is wrong with it
        limit = None
    return AHEAD if not limit else max(1, min(AHEAD, limit // SHARE))


def _pattern(path: "os.PathLike[str]") -> str:
    """As Slurm takes the name of a file: it would replace %j and the like."""
    return os.fspath(path).replace("%", "%%")


def _quote(value: str) -> str:
    """As sbatch reads a line of options, which is neither a shell's way nor told anywhere: quotes keep it together."""
    return f'"{value}"' if re.search(r"[\s'#]", value) else value
