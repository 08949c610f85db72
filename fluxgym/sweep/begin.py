"""Begins the runs of a sweep, each as any other run is begun, and stops them.

A run is whole or not there: where this ends in the middle, the same sweep begun again goes on with those that are missing."""

import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from fluxgym.dataset.images import expand
from fluxgym.form.catalogue import find_setting, is_same
from fluxgym.form.form import PATHS, flatten
from fluxgym.preflight.checks import look_at_settings
from fluxgym.preflight.cluster import look_at_job
from fluxgym.preflight.report import ERROR
from fluxgym.preflight.share import look_at_share
from fluxgym.run.archive import holds_run
from fluxgym.run.care import SLURM, Care
from fluxgym.run.create import create_run, has_settings
from fluxgym.run.folders import PROJECT, outputs_root, shown_path
from fluxgym.run.launch import (
    NameTaken,
    RunError,
    RunIsActive,
    RunIsNotActive,
    check_place,
    look_after,
    resume_run,
    start_run,
    stop_run,
)
from fluxgym.run.processes import count_planned
from fluxgym.run.record import read_record
from fluxgym.run.status import Status, read_status
from fluxgym.sweep.axis import SweepError
from fluxgym.sweep.grid import TOLD, Trial
from fluxgym.sweep.mark import Mark, find_members, has_weight, read_mark, write_mark
from trainer.config import Config, ConfigError, dump_config, load_config
from trainer.folder import RunFolder

Prepare = Callable[[RunFolder, Trial], None]


@dataclass(frozen=True)
class Begun:
    """One run of a sweep, and whether it was begun just now; it was there before otherwise."""

    folder: RunFolder
    is_new: bool
    status: Status


def find_missing(sweep: str, trials: Sequence[Trial]) -> list[Trial]:
    """Those that are still to be begun. Raises SweepError where a folder of that name holds something else, and where what is
    not varied is other than in the runs that are there."""
    missing = []
    problems = []
    for trial in trials:
        folder = RunFolder(outputs_root() / trial.name)
        if _is_begun(folder, sweep, trial.config):
            continue
        missing.append(trial)
        if trouble := _find_trouble(folder, sweep, trial.config):
            problems.append(trouble)
    if missing:
        problems = _find_other(sweep, trials) + problems
    if problems:
        more = [f"and {len(problems) - TOLD:,} more of that kind"] if len(problems) > TOLD else []
        raise SweepError([*problems[:TOLD], *more])
    return missing


def check_care(trials: Sequence[Trial], care: Care) -> None:
    """Raises PlaceError or SweepError where they cannot train: a GPU that is not there, a batch that its GPUs cannot share, a
    job that the cluster would refuse."""
    problems: dict[str, str] = {}
    for trial in trials:
        for finding in look_at_share(trial.config, count_planned(care.place, trial.config.model_dump())):
            problems.setdefault(finding.sentence, trial.name)
    _refuse(problems)
    check_place(care)
    if care.place != SLURM:
        return
    asked: set[str] = set()
    for trial in trials:
        if (wish := trial.config.slurm.model_dump_json()) in asked:
            continue
        asked.add(wish)
        for finding in look_at_job(trial.config):
            if finding.level == ERROR:
                problems.setdefault(finding.sentence.replace("..", "."), trial.name)
    _refuse(problems)


def _refuse(problems: dict[str, str]) -> None:
    if problems:
        raise SweepError([f"{name}: {problem}" for problem, name in problems.items()])


def find_odd(trials: Sequence[Trial]) -> list[str]:
    """What is possible and mostly a mistake: each once, with the first run that has it."""
    odd: dict[str, str] = {}
    for trial in trials:
        for finding in look_at_settings(trial.config):
            odd.setdefault(finding.sentence, trial.name)
    return [f"{name}: {told}" for told, name in odd.items()]


def begin_sweep(sweep: str, trials: Sequence[Trial], care: Care, prepare: Prepare | None = None) -> Iterator[Begun]:
    """Begins those that are missing, one at each step, and tells of those that were there. Names and place are looked at before
    the first. `prepare`: what else is written into a folder before its run starts.

    Raises SweepError or ValueError before anything is written; RunError or OSError where one cannot be begun after all."""
    missing = {trial.name for trial in find_missing(sweep, trials)}
    check_care([trial for trial in trials if trial.name in missing], care)
    for trial in trials:
        folder = RunFolder(outputs_root() / trial.name)
        is_new = trial.name in missing and _begin(sweep, trial, care, prepare)
        yield Begun(folder, is_new, read_status(folder))


def resume_sweep(sweep: str) -> list[RunFolder]:
    """Resumes what ended before its end, each from its best state. Raises RunError or OSError, of the first that cannot be
    resumed; the others are all the same."""
    found = [(folder, read_status(folder)) for folder in find_members(sweep)]
    over = [folder for folder, status in found if not status.is_active and (status.resumable or status.can_restart)]
    return _do_each(resume_run, over, RunIsActive)


def stop_sweep(sweep: str) -> list[RunFolder]:
    """Stops what is under way, and takes what waits out of the line: that first and the last first, so that no end lets
    another begin. Raises RunError, of the first that cannot be stopped; the others are asked to all the same."""
    found = [(folder, look_after(folder)) for folder in find_members(sweep)]
    waiting = [(folder, status.queue.position if status.queue else 0) for folder, status in found if status.state == "queued"]
    line = [folder for folder, _ in sorted(waiting, key=lambda each: each[1], reverse=True)]
    active = [folder for folder, status in found if status.is_active and folder not in line]
    return _do_each(stop_run, [*line, *active], RunIsNotActive)


def _do_each(do: Callable[[RunFolder], object], folders: Sequence[RunFolder], is_so: type[RunError]) -> list[RunFolder]:
    """Those of which it was done. `is_so`: what is raised of one that has come to it by itself in this moment."""
    done: list[RunFolder] = []
    trouble: ValueError | OSError | None = None
    for folder in folders:
        try:
            do(folder)
        except is_so:
            continue
        except (ValueError, OSError) as error:
            trouble = trouble or error
            continue
        done.append(folder)
    if trouble:
        raise trouble
    return done


def number_settings(config: Config) -> str:
    """The same for the same settings: what a run was begun with, once its config.toml may say something else."""
    return f"{zlib.crc32(dump_config(config).encode()):08x}"


def _begin(sweep: str, trial: Trial, care: Care, prepare: Prepare | None) -> bool:
    """False where somebody else has begun it a moment ago."""
    try:
        folder = create_run(trial.config)
        write_mark(folder, Mark(sweep, trial.chosen, number_settings(trial.config)))
        if prepare:
            prepare(folder, trial)
        start_run(folder, care=care)
    except (NameTaken, RunIsActive) as error:
        if not _is_begun(error.folder, sweep, trial.config):
            raise
        return False
    return True


def _is_begun(folder: RunFolder, sweep: str, config: Config) -> bool:
    """Whether the folder holds this run of this sweep, begun with these very settings."""
    mark = read_mark(folder)
    if mark is None or mark.sweep != sweep or read_record(folder) is None:
        return False
    return mark.begun_with == number_settings(config) or has_settings(folder, config)


def _find_trouble(folder: RunFolder, sweep: str, config: Config) -> str:
    """Why the run cannot be begun in this folder; empty where it can."""
    if not folder.path.exists():
        return ""
    mark, other = read_mark(folder), "choose another name for the sweep"
    if holds_run(folder):
        if mark and mark.sweep == sweep:
            return f"got other settings for {folder.name} than it was begun with, expected the same; {other}"
        return f"got the name {folder.name}, which an earlier run has; {other}"
    if folder.config.exists() and not has_settings(folder, config):
        return f"got the name {folder.name}, but {shown_path(folder.config)} holds other settings; {other}"
    return ""


def _find_other(sweep: str, trials: Sequence[Trial]) -> list[str]:
    """What is not varied and yet other than in the runs that are there, a sentence each; none where one of them has the same.

    One that was resumed with changes does not say any more what it was begun with, nor does one that cannot be read: neither
    forbids anything."""
    members = [(folder, mark) for folder in find_members(sweep) if (mark := read_mark(folder)) and read_record(folder)]
    if {mark.begun_with for _, mark in members} & {number_settings(trial.config) for trial in trials}:
        return []
    varied = set(trials[0].chosen).union(*(mark.chosen for _, mark in members))
    wanted = flatten(trials[0].config.model_dump())
    told: list[str] = []
    for folder, mark in members:
        try:
            config = load_config(folder.config)
        except ConfigError:
            continue
        has = flatten(config.model_dump())
        other = [key for key in wanted if has_weight(key) and key not in varied and not _is_alike(key, wanted[key], has[key])]
        if not other:
            return []
        if not told and mark.begun_with == number_settings(config):
            told = [_tell_other(folder, key, wanted[key], has[key]) for key in other]
    return told


def _is_alike(key: str, value: Any, other: Any) -> bool:
    """A path is the same however it is written."""
    if key in (*PATHS, "model.base") and value and other:
        return PROJECT / expand(value) == PROJECT / expand(other)
    return is_same(value, other)


def _tell_other(folder: RunFolder, key: str, value: Any, other: Any) -> str:
    setting = find_setting(key)
    assert setting, key
    got = f"got {key} {setting.show(value)}, expected {setting.show(other)} as {folder.name} has it, which is of this sweep"
    return f"{got}; choose another name for the sweep, or vary {key} too"
