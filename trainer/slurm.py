"""How the values are written that a job of a Slurm cluster is asked for with. Checked here, before a job is lost over one.

The trainer itself needs none of them.
"""

import re
import shlex

STEP = "fluxgym-training"  # what srun calls the processes of a training on several nodes
UNLIMITED = ("unlimited", "infinite")  # as Slurm calls it, in any case
TIME_LIMIT = re.compile(r"(?:(\d+)-)?(\d+)(?::(\d+))?(?::(\d+))?", re.ASCII)
TIMES = "minutes such as '90', hours as '2:00:00', days as '1-12:00:00', or nothing for the partition's own"
MEMORY = re.compile(r"\d+[KMGT]?", re.ASCII | re.IGNORECASE)
NAME = re.compile(r"[\w.,:@+-]*", re.ASCII)  # several partitions are told with commas
SBATCH = "#SBATCH"  # begins a line of options, with or without a blank behind it
PARTS = re.compile(rf"{SBATCH}\s+(?:het|pack)job", re.ASCII)  # a job of several parts, each with resources of its own
OTHERS = ("#PBS", "#BSUB")  # lines of other schedulers, which sbatch takes for its own
TAKEN = ("array", "output", "error", "open-mode", "chdir", "wait")
LONG = {"a": "array", "o": "output", "e": "error", "D": "chdir", "W": "wait"}
LONG |= {"A": "account", "C": "constraint", "p": "partition", "q": "qos", "t": "time"}
OPTION = re.compile(r"--([\w-]+)|-[HhkOQsvV]*(\w)", re.ASCII)  # the letters before another one take no value


def read_time_limit(text: str) -> int | None:
    """A time limit in s; None for none, and for the partition's own (""). Raises ValueError.

    As Slurm reads it: two numbers are minutes and seconds; behind days the first are hours."""
    if not text or text.lower() in UNLIMITED:
        return None
    found = TIME_LIMIT.fullmatch(text)
    if not found:
        raise ValueError(f"got {text!r}, expected {TIMES}")
    days, *rest = found.groups()
    numbers = [int(number) for number in rest if number]
    if days is not None or len(numbers) == 3:
        hours, minutes, seconds = (*numbers, 0, 0)[:3]
    else:
        hours, minutes, seconds = (0, *numbers, 0)[:3]
    return int(days or 0) * 86_400 + hours * 3600 + minutes * 60 + seconds or None


def check_time_limit(text: str) -> str:
    """The same text. Raises ValueError."""
    read_time_limit(text)
    return text


def check_memory(text: str) -> str:
    """The same text. Raises ValueError."""
    if text and not MEMORY.fullmatch(text):
        raise ValueError(f"got {text!r}, expected a number with its unit such as '64G', '0' for all of a node, or nothing")
    return text


def check_name(text: str) -> str:
    """The name of a partition, account or QOS, the same text. Raises ValueError."""
    if not NAME.fullmatch(text):
        raise ValueError(f"got {text!r}, expected a name of letters, digits and . , : @ + - _, or nothing")
    return text


def check_lines(lines: list[str]) -> list[str]:
    """Lines of a script, the same. Raises ValueError."""
    for line in lines:
        if not line.isprintable():
            raise ValueError(f"got {line[:80]!r}, expected one line of a script")
        if line.startswith(OTHERS):
            raise ValueError(f"got {line[:80]!r}, expected options of the job in lines that begin with {SBATCH}")
        taken = [written for name, written in find_options(line).items() if name in TAKEN]
        if PARTS.match(line):
            taken.append(line.split()[1])
        if taken:
            why = "which is FluxGym's to say: a run is one job, whose output tells why it ended"
            raise ValueError(f"got {line[:80]!r} with {taken[0]}, {why}")
    return lines


def find_options(line: str) -> dict[str, str]:
    """The options that sbatch takes from a line of a script, as they are written, by their long name. It takes them in quotes,
    too, and of a long name any beginning that no other has."""
    if not line.startswith(SBATCH):
        return {}
    try:
        words = shlex.split(line.removeprefix(SBATCH), comments=True)
    except ValueError:  # a quote that does not end: sbatch refuses it
        return {}
    found = [each for each in map(OPTION.match, words) if each]
    return {LONG.get(each[2], each[2]) if each[2] else _find_whole(each[1]): each[0] for each in found}


def _find_whole(name: str) -> str:
    return next((known for known in (*TAKEN, *LONG.values()) if known.startswith(name)), name)
