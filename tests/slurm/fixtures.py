"""The cluster that all tests share, those of the browser too: started once, cleared after each. tests/conftest.py names it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.slurm.cluster import Cluster, ClusterError, why_not


@pytest.fixture(scope="session")
def daemons(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    if problem := why_not():
        pytest.skip(problem)
    cluster = Cluster(tmp_path_factory.mktemp("slurm"))
    try:
        cluster.start()
    except ClusterError as error:
        cluster.stop()
        pytest.skip(f"Slurm does not come up here: {error}")
    yield cluster
    cluster.stop()


@pytest.fixture
def cluster(daemons: Cluster, outputs: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    """With nothing in its queue; Slurm's commands of this test are for it alone. Its jobs end before the runs are looked at."""
    for name, value in daemons.environment.items():
        monkeypatch.setenv(name, value)
    yield daemons
    daemons.clear()
