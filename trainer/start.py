"""One run of the trainer from its command line to its exit code."""

from pathlib import Path

from trainer import report
from trainer.config import load_config
from trainer.disk import NotWritten
from trainer.folder import RunFolder
from trainer.interrupt import Stop, Stopped
from trainer.ranks import LEFT_ALONE, is_left_alone
from trainer.stacks import tell_stacks

FINISHED, BROKE, WRONG, STOPPED = 0, 1, 2, 143  # exit codes; of one of several processes also trainer.ranks.LEFT_ALONE


def start(config_file: Path, resume: Path | None) -> int:
    """Trains. Bad input is told in one line without a traceback; anything unforeseen is raised."""
    tell_stacks()
    stop = Stop()
    try:
        return _train(config_file, resume, stop)
    except (Stopped, Exception) as error:  # libraries in Rust turn what interrupts them into errors of their own
        if not isinstance(error, Stopped) and not stop.interrupts:
            raise
        report.say("Training stopped before its first step: nothing was lost, resume begins again")
        return STOPPED


def _train(config_file: Path, resume: Path | None, stop: Stop) -> int:
    stop.listen()
    folder = RunFolder(config_file.parent)
    try:
        config = load_config(config_file)
        from trainer.arrange import MemoryRanOut
        from trainer.loop import train  # torch takes seconds: what is wrong with the settings is said first
        from trainer.tally import TrainingBroke

        try:
            return FINISHED if train(config, folder, resume, stop) else STOPPED
        except (TrainingBroke, MemoryRanOut) as error:
            report.error(str(error), of_all=isinstance(error, TrainingBroke))
            return BROKE
    except NotWritten as error:
        kept = folder.last_state()
        report.error(f"{error}; " + (f"{kept.path} is kept, resume from it" if kept else "no state was saved before"))
        return BROKE
    except ValueError as error:
        if stop.interrupts:
            raise
        report.error(str(error))
        return WRONG
    except RuntimeError as error:
        if not is_left_alone(error):
            raise
        report.error(f"another process of this training is gone: {str(error).splitlines()[0]}")
        return LEFT_ALONE
