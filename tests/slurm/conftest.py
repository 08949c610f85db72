"""Jobs of the cluster, and what the page of a run says. The cluster itself is in fixtures.py."""

from collections.abc import Callable
from pathlib import Path

import pytest

from fluxgym.run.care import SLURM, Care
from tests.pages.opened import open_page, told
from tests.slurm.cluster import Cluster
from trainer.folder import RunFolder


@pytest.fixture
def script(tmp_path: Path) -> Path:
    """A job that ends when the file `go` is beside it, and says so in `log`."""
    path = tmp_path / "job.sh"
    loop = f"while [ ! -e {tmp_path}/go ]; do sleep 0.1; done"
    path.write_text(f'#!/bin/bash\n#SBATCH --output={tmp_path}/log\n{loop}\necho "went, $CUDA_VISIBLE_DEVICES"\n')
    return path


@pytest.fixture
def start_job(cluster: Cluster, start_small: Callable[..., RunFolder]) -> Callable[..., RunFolder]:
    """start_job(*options, name): a run of tests/small_training.py that is given to Slurm."""

    def start(*options: str, name: str = "small", **care: object) -> RunFolder:
        return start_small(*options, name=name, care=Care(place=SLURM, **care))

    return start


@pytest.fixture
def page_of() -> Callable[[RunFolder], str]:
    """page_of(folder): all that the run's page says."""
    return lambda folder: told(open_page("run", run=folder.name))
