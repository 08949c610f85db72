"""What a job asks Slurm for, as fields: on the Train page with its script, in the dialog of a resume."""

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from fluxgym.form import form
from fluxgym.run.care import Care, write_care
from fluxgym.view import partitions
from fluxgym.view.partitions import Partition
from trainer.folder import RunFolder
from trainer.mini import DEMO

pytestmark = pytest.mark.usefixtures("outputs")


def of_the_form() -> None:
    import streamlit as st

    from fluxgym.form.check import check_form
    from fluxgym.ui import fields, slurm_fields

    st.session_state.problems = check_form(fields.values()).problems
    slurm_fields.draw(fields.values())


def of_a_run() -> None:
    import streamlit as st

    from fluxgym.run.folders import find_run
    from fluxgym.ui import slurm_fields

    st.session_state.changes = slurm_fields.draw_changes(find_run("demo"))


@pytest.fixture(autouse=True)
def there(monkeypatch: pytest.MonkeyPatch) -> list[Partition]:
    found = [Partition("main", is_default=True, time_limit=7200, nodes=2, gpus=4)]
    monkeypatch.setattr(partitions._asked, "look", lambda: found)
    return found


def caption(page: AppTest) -> str:
    return page.caption[0].value.replace("\\", "")


def open_page(script: object) -> AppTest:
    page = AppTest.from_function(script).run()  # type: ignore[arg-type]
    assert not page.exception
    return page


def test_the_script_follows_what_is_typed() -> None:
    page = open_page(of_the_form)
    assert "#SBATCH --gres=gpu:1\n" in page.code[0].value and "--partition" not in page.code[0].value
    assert caption(page).startswith("1 node with 1 GPU and 4 CPU cores. Partition main: 2 nodes with 4 GPUs each, up to 2 h.")
    page.selectbox(key="form:slurm.partition").set_value("main").run()
    page.text_input(key="form:slurm.time_limit").set_value("1-12").run()
    page.number_input(key="form:slurm.nodes").set_value(2).run()
    page.text_area(key="form:slurm.lines").set_value("module load cuda\n#SBATCH --constraint=a100").run()
    script = page.code[0].value
    for part in ("--partition=main\n", "--time=1-12\n", "--nodes=2\n", "#SBATCH --constraint=a100\n\n", "\nmodule load cuda\n"):
        assert part in script
    assert script.index("--constraint") < script.index("module load cuda")  # sbatch reads none below the first command
    assert caption(page).startswith("2 nodes with 1 GPU and 4 CPU cores each, for 1 d 12 h at most. 2 processes share")
    assert form.read_values(form.draft())["slurm.partition"] == "main", "it is kept"


def test_what_is_wrong_is_told_beside_its_field() -> None:
    page = open_page(of_the_form)
    page.text_input(key="form:slurm.time_limit").set_value("2h").run()
    assert not page.exception
    (told,) = [part.value for part in page.markdown if ":red[" in part.value]
    assert "Got '2h'" in told.replace("\\", "") and "hours as '2:00:00'" in told.replace("\\", "")


def reproaches(page: AppTest) -> list[str]:
    return [part.value.replace("\\", "") for part in page.markdown if ":red[" in part.value]


def test_a_partition_that_slurm_does_not_tell_of_is_told_before_start(there: list[Partition]) -> None:
    there.append(Partition("long"))
    unknown = "Got the partition nowhere, Slurm tells of main, long"
    for typed, words in (("long,nowhere", [unknown]), ("main,long", []), ("a b", ["expected a name of letters"])):
        page = open_page(of_the_form)
        partition = page.selectbox(key="form:slurm.partition")
        partition.options.append(typed)
        partition.set_value(typed).run()
        told = reproaches(page)
        assert len(told) == len(words) and all(word in said for word, said in zip(words, told, strict=True)), typed


def test_a_partition_that_is_not_listed_can_be_typed_and_taken_back(there: list[Partition]) -> None:
    there.clear()  # the cluster does not answer
    page = open_page(of_the_form)
    assert caption(page).endswith("Slurm does not tell its partitions at the moment.")
    assert reproaches(page) == []
    partition = page.selectbox(key="form:slurm.partition")
    partition.options.append("gpu-long")  # as somebody types it
    partition.set_value("gpu-long").run()
    assert "--partition=gpu-long\n" in page.code[0].value
    page.selectbox(key="form:slurm.partition").set_value("The default").run()
    assert not page.exception and "--partition" not in page.code[0].value


def test_of_a_resume_only_what_differs_is_changed(outputs: Path) -> None:
    folder = RunFolder(outputs / "demo")
    folder.path.mkdir()
    folder.config.write_text(DEMO.read_text(encoding="utf-8") + '\n[slurm]\npartition = "main"\nlines = ["module load a"]\n')
    write_care(folder, Care(place="slurm"))
    page = open_page(of_a_run)
    assert page.session_state.changes == {} and page.text_input(key="resume-partition").value == "main"
    page.text_input(key="resume-time_limit").set_value("4:00:00").run()
    page.text_area(key="resume-lines").set_value("module load b\n").run()
    assert page.session_state.changes == {"slurm.time_limit": "4:00:00", "slurm.lines": ["module load b"]}
