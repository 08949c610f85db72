"""A fresh start under an old name: everything of the old run moves into logs/<time>/, nothing is lost or mistaken for new."""

import time
from pathlib import Path

from trainer.disk import pack
from trainer.folder import RunFolder


def holds_run(folder: RunFolder) -> bool:
    """Whether a fresh start would meet something of an earlier one. Settings alone, or a form's draft, are no run."""
    return any(path.exists() for path in (folder.record, folder.training_log)) or bool(_made(folder))


def archive(folder: RunFolder) -> Path:
    """Moves logs (gzip), settings, record, LoRA files, states, samples, sweep and job. The cache stays: it is checked against
    its images."""
    target = archive_logs(folder)
    for path in [*_made(folder), *filter(Path.exists, (folder.config, folder.record, folder.sweep, folder.job_script))]:
        path.rename(target / path.name)
    return target


def archive_logs(folder: RunFolder) -> Path:
    """Moves the logs alone. The file that was written goes first: a log that begins after that is another one for its readers
    only where the parts of the old one are gone."""
    target = folder.old_logs / time.strftime("%Y%m%d-%H%M%S")
    for number in range(2, 1000):
        if not target.exists():
            break
        target = target.with_name(f"{target.name[:15]}-{number}")
    target.mkdir(parents=True)
    for log in filter(Path.exists, (folder.training_log, folder.monitor_log)):
        pack(log, target / f"{log.name}.gz")
    for number, part in sorted(folder.log_parts().items(), reverse=True):
        packed = target / f"{folder.log_part(number).name}.gz"
        if part.suffix == ".gz":
            part.rename(packed)
        else:
            pack(part, packed)
            part.with_name(packed.name).unlink(missing_ok=True)  # whoever packed it was killed before he took the other away
    return target


def _made(folder: RunFolder) -> list[Path]:
    """What a training has made."""
    states = [state.path for state in folder.states()]
    return [*folder.loras(), *states, *filter(Path.exists, [folder.samples, folder.kohya])]
