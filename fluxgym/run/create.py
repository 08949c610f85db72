"""The folder of a new run. Nothing that lies there already is lost."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from fluxgym.run.archive import archive, holds_run
from fluxgym.run.folders import outputs_root
from fluxgym.run.launch import NameTaken, RunError, locked, refuse_active, settle
from trainer.disk import write_whole
from trainer.folder import RunFolder, check_name

if TYPE_CHECKING:
    from trainer.config import Config


def create_run(config: "Config", replace_old: bool = False) -> RunFolder:
    """The folder of a new run with its config.toml. Raises NameTaken, RunIsActive or RunError; writes nothing then.

    With `replace_old`, an earlier run of this name moves into logs/<time>/ first, all of it."""
    from trainer.config import dump_config

    settings = dump_config(config).encode()
    return _create(RunFolder(outputs_root() / config.name), lambda folder: _is_taken(folder, config, replace_old), settings)


def create_folder(name: str, replace_old: bool = False) -> RunFolder:
    """The folder of a new run of any command, which has no config.toml. Raises ValueError for a name that cannot be one, and
    what create_run raises."""
    return _create(RunFolder(outputs_root() / check_name(name)), lambda folder: _holds_another(folder, replace_old), None)


def _create(folder: RunFolder, is_taken: Callable[[RunFolder], bool], settings: bytes | None) -> RunFolder:
    """`is_taken`: whether the folder must be cleared first; raises NameTaken where it may not."""
    is_new = not folder.path.exists()
    if not is_new:
        settle(folder)
        refuse_active(folder)
        is_taken(folder)
    try:
        folder.path.mkdir(parents=True, exist_ok=True)
        with locked(folder):  # looked at again: another start may have been a moment faster
            refuse_active(folder, lock_is_ours=True)
            if is_taken(folder):
                archive(folder)
            if settings and not folder.config.exists():
                write_whole(folder.config, settings)
    except OSError as error:
        if is_new and folder.path.is_dir():  # a full disk, say: nothing may stay that looks like a run
            folder.lock.unlink(missing_ok=True)
            folder.path.rmdir()
        cure = "expected a folder that can be written, with room; FLUXGYM_OUTPUTS moves the runs elsewhere"
        raise RunError(folder, f"got {error.strerror or error} at {folder.path.parent}, {cure}") from error
    return folder


def _is_taken(folder: RunFolder, config: "Config", replace_old: bool) -> bool:
    """Whether the folder must be cleared for a run of these settings. The very same settings alone are no obstacle.

    Raises NameTaken where that is not wanted. What a start that Slurm refused has left is no run: it moves into logs/."""
    if folder.job_script.exists() and not holds_run(folder):
        return not has_settings(folder, config)
    taken = holds_run(folder) or (folder.config.exists() and not has_settings(folder, config))
    return _may_clear(folder, taken, replace_old)


def _holds_another(folder: RunFolder, replace_old: bool) -> bool:
    return _may_clear(folder, holds_run(folder) or folder.config.exists(), replace_old)


def _may_clear(folder: RunFolder, taken: bool, replace_old: bool) -> bool:
    if taken and not replace_old:
        how = "choose another name, or replace it: all of it moves into its logs/ folder then"
        raise NameTaken(folder, f"got the name {folder.name}, which an earlier run has; {how}")
    return taken


def has_settings(folder: RunFolder, config: "Config") -> bool:
    """Whether its config.toml holds these very settings: one of another version, or spoiled by hand, does not."""
    from trainer.config import ConfigError, load_config

    try:
        return load_config(folder.config) == config
    except ConfigError:
        return False
