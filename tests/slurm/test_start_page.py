"""The Train page beside a real cluster: the script that is shown is submitted; what is refused starts nothing."""

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from fluxgym.run.care import SLURM, Care, read_care
from fluxgym.run.create import create_run
from fluxgym.run.folders import list_runs
from fluxgym.run.launch import start_run, stop_run
from fluxgym.run.status import read_status
from fluxgym.ui import visitor
from fluxgym.view import partitions
from tests.pages.opened import open_page, press, told
from tests.slurm.cluster import Cluster
from trainer.config import load_config, parse_config
from trainer.folder import RunFolder
from trainer.mini import DEMO


@pytest.fixture
def owner(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who asks; what was told of another cluster is forgotten."""
    monkeypatch.setattr(visitor, "who_asks", lambda: visitor.OWNER)
    monkeypatch.setattr(partitions, "_asked", partitions._Asked())


def fill_in(**changes: object) -> AppTest:
    """The demo as a job without a GPU, as this machine has none."""
    page = press(open_page("train"), "Try the demo")
    page.selectbox(key="form:care.place").select("slurm").run()
    for name, value in {"gpus": 0, "cpus": 1, "memory": "200M", **changes}.items():
        widgets = [*page.text_input, *page.number_input, *page.text_area]
        next(each for each in widgets if each.key == f"form:slurm.{name}").set_value(value).run()
    assert not page.exception
    return page


def test_the_script_that_is_shown_is_submitted(cluster: Cluster, outputs: Path, owner: None) -> None:
    page = fill_in(time_limit="10", lines="export SHOWN=yes")
    assert page.selectbox(key="form:slurm.partition").options[:3] == ["The default", "main", "patient"]
    (script,) = [part.value for part in page.code if "#SBATCH" in part.value]
    assert "#SBATCH --time=10\n" in script and "\nexport SHOWN=yes\n" in script
    assert "1 node with 1 CPU core and 200M of memory, for 10 m at most. Partition main: 2 nodes" in told(page)
    press(page, "Start")
    if "Start anyway" in [button.label for button in page.button]:
        press(page, "Start anyway")  # outputs lie in /tmp here
    folder = RunFolder(outputs / "demo")
    try:
        status = read_status(folder)
        assert status.is_active and status.job and cluster.job(status.job.id)["JobName"] == "demo"
        assert folder.job_script.read_text().strip() == script.strip() and read_care(folder).place == "slurm"
        assert [title.value for title in page.title] == ["demo"] and f"job {status.job.id}" in told(page).lower()
    finally:
        stop_run(folder, wait=60)


def test_what_slurm_would_refuse_is_told_before_anything_is_written(cluster: Cluster, outputs: Path, owner: None) -> None:
    page = press(fill_in(memory="900G"), "Start")
    assert "Not started, nothing was written" in told(page)
    assert "would not take it: Requested node configuration is not available" in told(page)
    assert list_runs() == []


def script() -> None:
    from fluxgym.run.folders import find_run
    from fluxgym.ui import resume_dialog

    resume_dialog.draw(find_run("demo"))


def test_a_job_that_could_never_start_is_resumed_as_another_one(cluster: Cluster, outputs: Path, owner: None) -> None:
    wish = {"partition": "short", "time_limit": "10", "gpus": 0, "cpus": 1, "memory": "200M"}
    folder = create_run(parse_config({**load_config(DEMO).model_dump(), "slurm": wish}))
    start_run(folder, care=Care(place=SLURM))
    try:
        stop_run(folder, wait=60)
        assert read_status(folder).state == "stopped"
        assert press(open_page("run", run="demo"), "Resume with ...").text_input(key="resume-time_limit").value == "10"
        page = AppTest.from_function(script).run()
        assert not page.exception and not page.radio  # no state to choose
        page.text_input(key="resume-time_limit").set_value("4").run()
        page.button(key="resume-confirmed").click().run()
        assert not page.exception
        status = read_status(folder)
        assert status.is_active and status.attempt == 2
        assert status.job and cluster.job(status.job.id)["TimeLimit"] == "00:04:00"
    finally:
        if read_status(folder).is_active:
            stop_run(folder, wait=60)
