"""read(log): the history of a log; tell(status, log): the summary of a run of which only that is known."""

import pytest

from fluxgym.log.history import History
from fluxgym.view.summary import summarise
from trainer.folder import RunFolder

from .runs import NOW


@pytest.fixture
def read(tmp_path):
    def read(log):
        path = tmp_path / "training.log"
        path.write_text(log)
        history = History(path)
        history.update()
        return history

    return read


@pytest.fixture
def tell(tmp_path, read):
    return lambda status, log="": summarise(RunFolder(tmp_path), status, read(log), NOW)
