"""The Compare page: chosen by the address, what differs, pictures side by side; and names and settings that are hostile."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from fluxgym.run.launch import wait_for_end
from fluxgym.ui.compare_view import OFFERED
from fluxgym.view.opening import open_folder
from tests.benchmarks.many_folders import make_folders
from tests.conftest import HOSTILE_NAMES
from tests.pages.opened import open_page, told
from trainer.folder import RunFolder

NAMES = [name for name in HOSTILE_NAMES.values() if re.fullmatch(r"[^/.\0][^/\0]{0,200}", name)]


def make_run(path: Path, settings: str = "", steps: int = 40, picture: str = "") -> RunFolder:
    folder = RunFolder(path)
    folder.samples.mkdir(parents=True)
    bars = (f"steps:  50%|#####     | {step}/{steps} [00:01<00:01, 5.00it/s, loss=0.5]\n" for step in range(1, steps + 1))
    folder.training_log.write_text("".join(bars), encoding="utf-8")
    folder.config.write_text(settings or f'[data]\nfolder = "{path.name}"\n', encoding="utf-8")
    if picture:
        Image.new("RGB", (32, 32)).save(folder.samples / picture)
    return folder


def table(page: AppTest) -> str:
    return "".join(part.proto.body for part in page.get("html") if "fluxgym-compare" in part.proto.body)


def mounted(page: AppTest) -> list[dict[str, Any]]:
    """What the components of the page are given."""
    return [json.loads(part.proto.json) for part in page.get("bidi_component")]


def in_address(page: AppTest) -> str:
    value = page.query_params["runs"]
    return value if isinstance(value, str) else value[0]


def test_with_fewer_than_two_it_says_what_it_is_for(outputs: Path) -> None:
    assert "Choose two runs or more" in told(open_page("compare"))
    make_run(outputs / "alone")
    page = open_page("compare", runs="alone")
    assert page.multiselect[0].value == ["alone"]
    assert "Choose two runs or more" in told(page)


def test_of_very_many_runs_the_latest_are_offered_and_any_can_be_named(outputs: Path) -> None:
    folders = make_folders(outputs, OFFERED + 40)
    names = [folder.name for folder in reversed(folders)]
    page = open_page("compare", runs=f"{names[-1]},{names[3]}")
    assert page.multiselect[0].options == [*names[:OFFERED], names[-1]]
    assert page.multiselect[0].value == [names[-1], names[3]]
    assert page.multiselect[0].proto.accept_new_options
    page.multiselect[0].set_value([names[-2], names[3], "no such run"]).run()
    assert page.multiselect[0].value == [names[-2], names[3]]
    assert "Not there: no such run" in told(page)
    assert names[-2] in table(page)


def test_the_address_says_which(start_small: Callable[..., RunFolder]) -> None:
    for name in ("a", "b", "c"):
        wait_for_end(start_small("--steps", "12", name=name), 30)
    page = open_page("compare", runs="c,a")
    assert page.multiselect[0].value == ["c", "a"]
    assert table(page).index(">c</a>") < table(page).index(">a</a>")
    assert "Completed" in table(page)
    page.multiselect[0].set_value(["a", "b", "c"]).run()
    assert not page.exception
    assert in_address(page) == "a,b,c"


def test_without_an_address_the_two_latest_are_chosen_and_one_that_is_gone_is_told(outputs: Path) -> None:
    for name in ("a", "b", "c"):
        make_run(outputs / name)
    assert len(open_page("compare").multiselect[0].value) == 2
    page = open_page("compare", runs="a,never,b")
    assert page.multiselect[0].value == ["a", "b"]
    assert "Not there: never" in told(page)
    assert in_address(page) == "a,b"


def test_more_than_six_are_cut(outputs: Path) -> None:
    names = [f"run-{number}" for number in range(9)]
    for name in names:
        make_run(outputs / name)
    page = open_page("compare", runs=",".join(names))
    assert page.multiselect[0].value == names[:6]
    assert "Left out, as at most 6 are shown: run-6, run-7, run-8" in told(page)


def test_only_the_settings_that_differ_are_shown(outputs: Path) -> None:
    make_run(outputs / "a", "[lora]\nrank = 16\nalpha = 8\n[data]\nresolution = 512\n")
    make_run(outputs / "b", "[lora]\nrank = 4\nalpha = 8\n[data]\nresolution = 768\n")
    page = open_page("compare", runs="a,b")
    shown = table(page)
    assert "lora.<wbr>rank" in shown
    assert "alpha" not in shown
    assert "They differ in data.resolution, which changes what a loss measures" in told(page)


def test_an_opened_folder_is_compared_with_a_run(outputs: Path, tmp_path: Path) -> None:
    make_run(outputs / "mine")
    theirs = make_run(tmp_path / "their lora")
    theirs.training_log.rename(theirs.path / "train.log")
    key = open_folder(str(theirs.path)).name
    page = open_page("compare", runs=f"mine,{key}")
    assert page.multiselect[0].value == ["mine", key]
    assert ">their lora</a>" in table(page)
    assert f'href="run?run={key}"' in table(page)
    [chart] = [data for data in mounted(page) if "chart" in data]
    assert chart["url"].startswith(f"together/charts?runs=mine%2C{quote(quote(key, safe=''), safe='')}&axis=step")


def test_pictures_of_one_prompt_and_seed_are_side_by_side(outputs: Path) -> None:
    prompts = '[sample]\nprompts = ["<b>a</b> robot"]\nseed = 42\n'
    make_run(outputs / "a", prompts, picture="a_e000004_00_20261124101502_42.png")
    make_run(outputs / "b", prompts, picture="b_e000006_00_20261124101502_42.png")
    page = open_page("compare", runs="a,b")
    latest = next(data for data in mounted(page) if data.get("beside"))
    assert latest["url"] == "together/samples?runs=a%2Cb&moment="
    page.select_slider[0].set_value("epoch 4").run()
    assert not page.exception
    then = next(data for data in mounted(page) if data.get("beside"))
    assert then["url"] == "together/samples?runs=a%2Cb&moment=epoch+4"
    assert then["version"] != latest["version"]


def test_how_the_curves_are_seen_is_in_the_address(outputs: Path) -> None:
    for name in ("a", "b"):
        make_run(outputs / name)
    page = open_page("compare", runs="a,b", axis="Time", smoothing="0.5", log="true")
    [chart] = [data for data in mounted(page) if "chart" in data]
    assert chart["url"] == "together/charts?runs=a%2Cb&axis=time&smoothing=0.5&log=1"


@pytest.mark.parametrize("name", NAMES)
def test_folders_with_any_name_are_compared_and_shown_as_text(outputs: Path, name: str) -> None:
    make_run(outputs / name, 'x = "<script>alert(1)</script>"\n')
    make_run(outputs / "a,b <i>", 'x = "$y$"\n')
    page = open_page("compare")
    assert set(page.multiselect[0].value) == {name, "a,b <i>"}
    assert "a,b &lt;i&gt;" in table(page)
    assert "&lt;script&gt;" in table(page)
    assert "<script>" not in table(page)
    again = open_page("compare", runs=in_address(page))
    assert again.multiselect[0].value == page.multiselect[0].value, "the address leads back to the same"
