"""The look before a start as a job on Slurm: whether the cluster would take it, and when; whether its nodes find the files.

The GPU is not this machine's, and which it will be is known when the job begins: what memory it must have can be told."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from fluxgym.dataset.images import expand
from fluxgym.preflight.estimate import CPU, CUDA, Estimate, Question, find_trouble
from fluxgym.preflight.report import ERROR, FINE, WARNING, Finding
from fluxgym.preflight.share import look_at_share, share_of
from fluxgym.run.folders import PROJECT, outputs_root
from fluxgym.run.slurm import Slurm, Tested, test_script
from fluxgym.run.slurm_script import Wish, make_script, read_wish
from fluxgym.view import words
from fluxgym.view.partitions import Partition, ask, find_partition
from fluxgym.view.slurm_words import tell_wish
from trainer.buckets import Size
from trainer.config import Config, ConfigError, load_config, parse_config
from trainer.folder import RunFolder
from trainer.slurm import read_time_limit

SUBJECT = "slurm"
LATER = "Nothing can be submitted until it answers. Try again in a while."
OWN = ("/tmp", "/var/tmp", "/dev/shm", "/run")  # of which each machine has its own
NOT_THERE = "Requested node configuration is not available"
WAITS = ("not available (down", "configuration not available now", "nodes are busy", "held state", "down state")
UNITS = {"K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}
GB = 2**30  # bytes


def wish_of(config: Config) -> Wish:
    """What its job asks for."""
    return read_wish({"slurm": config.slurm.model_dump()})


def count_processes(config: Config) -> int:
    """Of its job, one for each GPU."""
    return config.slurm.nodes * max(config.slurm.gpus, 1)


def ask_for_job(config: Config, size: Size | None) -> Question:
    """What one process of the job will need, on a GPU that is not known."""
    side = max(config.data.resolutions)
    device = CUDA if config.slurm.gpus and config.model.device != CPU else CPU
    return Question(share_of(config, count_processes(config)), size or (side, side), device, None)


def find_least(estimate: Estimate) -> int | None:
    """GB of the smallest GPU that it fits into; None where it fits into none of those that are usual, or needs none."""
    fits = [int(size) for size, way in estimate.presets.items() if way.room is None or way.bytes <= way.room]
    return min(fits, default=None)


def look_at_job(config: Config) -> Iterator[Finding]:
    """Whether Slurm would take it."""
    if why_not := Slurm().why_not():
        yield Finding(ERROR, SUBJECT, why_not, "Start it on a machine of the cluster, or choose another place for it.")
        return
    wish = wish_of(config)
    yield from look_at_share(config, count_processes(config))
    tested = test_script(make_script(RunFolder(outputs_root() / config.name), wish))
    if tested.silence:
        yield Finding(ERROR, SUBJECT, tested.silence.removeprefix("Slurm "), LATER)  # which is the subject
    else:
        yield _judge(config, tested, find_partition(ask(), wish.partition))


def find_refusal(folder: RunFolder, changes: Mapping[str, Any]) -> str:
    """Why the cluster would not take the next job of a run, with `changes` to its settings by dotted name; empty: it would.

    Of a Slurm that is silent, and of settings that cannot be used, a resume tells itself."""
    try:
        settings = load_config(folder.config).model_dump()
    except ConfigError:
        return ""
    for name, value in changes.items():
        section, _, key = name.partition(".")
        settings[section][key] = value
    try:
        found = list(look_at_job(parse_config(settings)))
    except ConfigError:
        return ""
    errors = [each for each in found if each.level == ERROR and each.fix != LATER]
    return "; ".join(f"{each.subject}: {each.what.rstrip('.')}. {each.fix}" for each in errors)


def _judge(config: Config, tested: Tested, partition: Partition | None) -> Finding:
    """What Slurm said of it, which takes nodes that are away for none, and says nothing of a limit that can never be met."""
    limit, most = read_time_limit(config.slurm.time_limit), partition.time_limit if partition else None
    if partition and limit and most and limit > most:
        told = f"got a time limit of {words.duration(limit)}, partition {partition.name} gives {words.duration(most)} at most"
        return Finding(ERROR, "slurm.time_limit", told, "Set a shorter one, or choose another partition: it would never start.")
    if partition and partition.away and NOT_THERE in tested.problem:
        told = f"{partition.away:,} of {words.plural(partition.nodes, 'node')} are down or drained"
        return Finding(
            WARNING,
            SUBJECT,
            f"{told}, and no other has what the job asks for",
            "It waits until one comes back that has it; sinfo -R tells more.",
        )
    if any(part in tested.problem.lower() for part in WAITS):
        return Finding(WARNING, SUBJECT, f"it would wait: {tested.problem}", "sinfo -R tells why nodes are not there.")
    if tested.problem:
        return Finding(ERROR, SUBJECT, f"would not take it: {tested.problem}", "Change what the job asks for.")
    if partition and not partition.is_up:
        return Finding(
            WARNING, SUBJECT, f"partition {partition.name} takes no jobs at the moment", "It waits until it is opened."
        )
    starts = f" It would start about {words.clock(tested.starts)}." if tested.starts else ""
    return Finding(FINE, SUBJECT, f"would take the job: {tell_wish(wish_of(config))}{starts}".rstrip("."))


def look_at_files(config: Config) -> Iterator[Finding]:
    """What certainly lies where no other machine sees it."""
    named = {"outputs": str(outputs_root()), "data.folder": config.data.folder, "model.base": config.model.base}
    for subject, given in named.items():
        path = PROJECT / expand(given)
        if own := _find_own(path):
            told = f"{path} lies in {own}, of which each machine has its own"
            yield Finding(WARNING, subject, told, "Move it to a folder that all nodes of the cluster share.")


def look_at_memory(config: Config, question: Question, estimate: Estimate | None) -> Iterator[Finding]:
    """What a GPU of the cluster must have; main memory is compared where it is asked for."""
    if estimate is None or not (estimate.chosen or estimate.presets):
        why = find_trouble(question)
        yield Finding(FINE, "memory", f"how much it needs is not known{': ' + why if why else ''}")
    elif question.device == CUDA:
        yield _compare_gpu(config, estimate)
    elif estimate.chosen:
        needed, given = estimate.chosen.bytes * max(config.slurm.gpus, 1), read_memory(config.slurm.memory)
        told = f"needs about {needed / GB:.1f} GB on each node"
        if given and given < needed:
            yield Finding(WARNING, "memory", f"{told}, its job asks for {config.slurm.memory}", "Ask for more memory per node.")
        else:
            yield Finding(FINE, "memory", f"{told}; what a node has is not known here")


def _compare_gpu(config: Config, estimate: Estimate) -> Finding:
    least = find_least(estimate)
    if config.memory.preset.isdigit() and estimate.chosen:
        told = f"needs about {estimate.chosen.bytes / GB:.1f} GB of each GPU: {estimate.chosen.words}"
    elif least:
        told = f"fits into GPUs of {least} GB and more; how is chosen when the job knows its GPU"
    else:
        most = max(map(int, estimate.presets), default=0)
        fix = "Lower the resolution, the batch or the rank, or ask for larger GPUs, such as by #SBATCH --constraint."
        return Finding(WARNING, "memory", f"does not fit into GPUs of {most} GB", fix)
    return Finding(FINE, "memory", told)


def read_memory(text: str) -> int | None:
    """Bytes of a memory limit as Slurm writes it, in MB where there is no unit; None for none and for all of a node."""
    number = text.rstrip("KMGTkmgt")
    if not number.isdecimal() or not int(number):
        return None
    return int(number) * UNITS[text[len(number) :].upper() or "M"]


def _find_own(path: Path) -> str:
    """The folder of temporary files in which it lies; empty where it does in none."""
    try:
        return next((own for own in OWN if path.exists() and path.resolve().is_relative_to(own)), "")
    except (OSError, ValueError):  # a name that no file can have: told of elsewhere
        return ""
