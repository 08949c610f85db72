"""What the tests of the verbs share: a command line that is said, settings, and a run of somebody else."""

import pytest

from fluxgym.terminal.main import main
from trainer.config import dump_config, parse_config
from trainer.folder import RunFolder
from trainer.mini import DATASET


@pytest.fixture
def settings(tmp_path):
    """settings(**changes): a config file for the demo's data set and a model of which nothing is there but its folder."""
    (tmp_path / "no-model").mkdir()

    def write(**changes):
        values = {
            "name": "mine",
            "model": {"base": str(tmp_path / "no-model")},
            "data": {"folder": str(DATASET)},
            "trigger": "sks",
        }
        path = tmp_path / "settings.toml"
        path.write_text(dump_config(parse_config(values | changes)))
        return str(path)

    return write


@pytest.fixture
def say(capsys):
    """say(*arguments): exit code, stdout and stderr of one command line."""

    def run(*arguments):
        code = main([str(argument) for argument in arguments])
        return (code, *capsys.readouterr())

    return run


def run_of(outputs, name, log="Epoch 2/4\n"):
    folder = RunFolder(outputs / name)
    folder.path.mkdir()
    folder.training_log.write_text(log)
    return folder
