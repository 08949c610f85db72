"""The look before a sweep begins: what would stop its runs, or let them fail after an hour, each thing once for all of them.

Whether a batch can be shared and a cluster would take the jobs is looked at by fluxgym.sweep.begin."""

import dataclasses
from collections.abc import Callable, Iterable, Sequence

from fluxgym.form.check import find_shapes
from fluxgym.preflight.checks import (
    DISK,
    ask_for,
    count_prompts,
    look_at_base,
    look_at_disk,
    look_at_place,
    look_at_room,
    preflight,
)
from fluxgym.preflight.disk import Need, find_need
from fluxgym.preflight.estimate import get_estimate
from fluxgym.preflight.report import ERROR, FINE, Finding, Report, sort_findings
from fluxgym.sweep.grid import Trial
from fluxgym.sweep.reader import Reader, name_images, read_shapes
from trainer.buckets import Size
from trainer.config import Config

FindSizes = Callable[[Config], list[Size]]


def look_at_sweep(trials: Sequence[Trial], find_sizes: FindSizes, place: str) -> list[Finding]:
    """Errors and warnings, each with the first run that has it; the disk is looked at for all runs together.

    `find_sizes`: px of all images of a run as they are learned. `place`: as Care.place has it."""
    found, disk = _look(trials, find_sizes, place)
    return sort_findings([each for each in [*_name(found), *disk] if each.level != FINE])


def preflight_sweep(trials: Sequence[Trial], hardest: Config, place: str) -> Report:
    """What preflight finds of the run that needs most, and of the others what that one does not have; the disk for all runs
    together. Where it finds errors, these are told alone: mostly all runs have them."""
    report = preflight(hardest, place=place)
    if report.errors:
        return report
    read = name_images(hardest)
    reader = Reader(lambda config: find_shapes(config.data.folder) if name_images(config) == read else read_shapes(config))
    wrong: dict[Finding, str] = {}
    for trial in trials:
        try:
            reader.plan(trial.config)
        except ValueError as error:
            wrong.setdefault(Finding(ERROR, "images", str(error)), trial.name)
    found, disk = (wrong, []) if wrong else _look(trials, reader.find_sizes, place)
    others = _name({each: name for each, name in found.items() if each not in report.findings and each.level != FINE})
    kept = [each for each in report.findings if not (disk and each.subject == DISK)]
    return dataclasses.replace(report, findings=sort_findings([*others, *kept, *disk]))


def _look(trials: Sequence[Trial], find_sizes: FindSizes, place: str) -> tuple[dict[Finding, str], list[Finding]]:
    """What was found, each with the first run that has it; and of the disk."""
    found: dict[Finding, str] = {}
    models: set[str] = set()
    files: set[tuple[str, str]] = set()
    needs: dict[str, tuple[str, Need]] = {}
    for trial in trials:
        config, sizes = trial.config, find_sizes(trial.config)
        question = ask_for(config, sizes, place)
        estimate = get_estimate(question, 0.0)  # where it was counted before: counting takes longer than a start
        said = [*look_at_room(config, question, estimate, place)]
        if (named := (config.model.base, config.data.folder)) not in files:
            files.add(named)
            said += look_at_place(config, place)
        if (model := config.model.model_dump_json()) not in models:
            models.add(model)
            said += look_at_base(config)
        for finding in said:
            found.setdefault(finding, trial.name)
        if trial.plan:
            needs[trial.name] = config.model.base, find_need(config, trial.plan, sizes, count_prompts(config), estimate)
    return found, [*look_at_disk(_add(needs.values()))] if needs else []


def _name(found: dict[Finding, str]) -> list[Finding]:
    """Each with its run."""
    return [dataclasses.replace(each, subject=f"{name}: {each.subject}") for each, name in found.items()]


def _add(needs: Iterable[tuple[str, Need]]) -> Need:
    """What all of them take together. A base model is downloaded once."""
    told = list(needs)
    downloads = {base: need.download or 0 for base, need in told}
    return dataclasses.replace(
        told[0][1],
        loras=sum(need.loras for _, need in told),
        states=sum(need.states for _, need in told),
        cache=sum(need.cache for _, need in told),
        samples=sum(need.samples for _, need in told),
        download=sum(downloads.values()),
    )
