"""The Train page: the demo, what is typed, what is wrong, Start. Driven through Streamlit's AppTest, on real folders."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from starlette.applications import Starlette
from starlette.testclient import TestClient
from streamlit.testing.v1 import AppTest

from fluxgym.dataset.captions import write_caption
from fluxgym.dataset.sets import make_set
from fluxgym.form import form
from fluxgym.run.care import Care, read_care
from fluxgym.run.folders import list_runs
from fluxgym.run.launch import stop_run
from fluxgym.run.status import read_status
from fluxgym.ui import uploads
from tests.pages.opened import open_page, press, primary, told
from trainer.config import load_config
from trainer.folder import RunFolder

pytestmark = pytest.mark.usefixtures("outputs")


def open_train() -> AppTest:
    return open_page("train")


def fill(page: AppTest, **values: object) -> AppTest:
    for place, value in values.items():
        find(page, place.replace("__", ".")).set_value(value).run()
        assert not page.exception
    return page


def find(page: AppTest, key: str) -> Any:
    """The widget of a setting, in one of the steps or among all settings."""
    names = (f"form:{key}", f"all:{key}")
    if not (found := [each for each in widgets(page) if each.key in names]):
        page.session_state["all-settings"], page.session_state["settings-search"] = True, key
        page.run()
        found = [each for each in widgets(page) if each.key in names]
    return found[0]


def widgets(page: AppTest) -> list[Any]:
    return [*page.text_input, *page.number_input, *page.text_area]


def test_a_newcomer_sees_three_steps_and_no_reproach() -> None:
    page = open_train()
    assert [part.value.split("] ")[-1] for part in page.subheader] == [
        "What it learns",
        "Images and captions",
        "How it trains",
        "Plan",
    ]
    assert ":red[" not in told(page)
    assert ":green[" not in told(page), "no step is complete before those above it are"
    assert primary(page) == ["Start"]


def test_the_demo_fills_in_everything_and_shows_its_plan() -> None:
    page = press(open_train(), "Try the demo")
    assert page.text_input(key="form:name").value == "demo"
    assert page.metric[0].value == "300"
    assert told(page).count(":green[:material/check_circle:]") == 3
    assert "12 images, 12 with a caption" in told(page)


def test_start_of_the_demo_starts_a_run_and_shows_it(outputs: Path) -> None:
    page = press(press(open_train(), "Try the demo"), "Start")
    folder = RunFolder(outputs / "demo")
    try:
        assert read_status(folder).is_active
        assert load_config(folder.config) == load_config(form.DEMO)
        assert form.read_values(folder) == form.demo_values() | {"name": "demo"}
        assert [title.value for title in page.title] == ["demo"]
        assert page.query_params["run"] in ("demo", ["demo"])
    finally:
        stop_run(folder, wait=60)


def test_what_is_typed_is_back_after_a_refresh() -> None:
    fill(open_train(), name="my-cat", trigger="sks cat", train__epochs=7, sample__prompts="a cat\n\n a dog ")
    page = open_train()
    assert page.text_input(key="form:name").value == "my-cat"
    assert page.text_input(key="form:trigger").value == "sks cat"
    assert page.number_input(key="form:train.epochs").value == 7
    assert page.text_area(key="form:sample.prompts").value == "a cat\na dog"


def test_a_form_that_the_demo_replaced_can_be_brought_back() -> None:
    page = fill(open_train(), name="my-cat", train__epochs=7, sample__prompts="a cat")
    assert "Undo" not in [button.label for button in page.button]
    press(press(page, "Try the demo"), "Try the demo")
    assert page.text_input(key="form:name").value == "demo"
    press(page, "Undo")
    assert page.text_input(key="form:name").value == "my-cat"
    assert page.number_input(key="form:train.epochs").value == 7
    assert page.text_area(key="form:sample.prompts").value == "a cat"
    assert "Undo" not in [button.label for button in page.button], "the demo itself is no loss"


def test_a_hostile_name_is_refused_where_it_stands_and_nothing_is_written(hostile_name: str, outputs: Path) -> None:
    page = fill(press(open_train(), "Try the demo"), name=hostile_name)
    before = everything(outputs.parent)
    press(page, "Start")
    assert "Not started, nothing was written: 1 thing to set right" in told(page)
    assert "Got the name" in told(page) or "Give it a name" in told(page)
    assert everything(outputs.parent) == before
    assert list_runs() == []


def everything(root: Path) -> set[Path]:
    """But for the form, and the estimate of what it would need."""
    return {path for path in root.rglob("*") if path.name != "ui_state.json" and ".jobs" not in path.parts}


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"train__epochs": 0}, ["got 0", "expected a whole number from 1"]),
        ({"train__epochs": None}, ["Nothing here yet, expected: Passes over the data set"]),
        ({"train__learning_rate": 3.0}, ["got 3.0", "a number above 0 and up to 1"]),
        ({"lora__rank": 1000}, ["got 1000", "up to 256"]),
        ({"data__resolution": "100"}, ["got 100", "multiple of 16"]),
        ({"data__validation_images": 12}, ["got 12 images with 12 held out"]),
        ({"data__folder": "no/such/folder"}, ["got the folder 'no/such/folder'", "exists on this machine"]),
        ({"data__regularisation": "no/such"}, ["got 'no/such'", "a folder with images"]),
        ({"name": ""}, ["Give it a name."]),
    ],
)
def test_a_wrong_value_stops_the_start(values: dict[str, object], words: list[str], outputs: Path) -> None:
    page = fill(press(open_train(), "Try the demo"), **values)
    press(page, "Start")
    assert all(word.lower() in told(page).lower() for word in [*words, "Not started, nothing was written"]), told(page)
    assert list_runs() == []
    assert primary(page) == ["Start"]


def test_a_name_that_a_run_has_is_told(outputs: Path) -> None:
    page = press(open_train(), "Try the demo")
    (outputs / "demo").mkdir()
    (outputs / "demo" / "config.toml").write_text("old = 1", encoding="utf-8")
    press(page, "Start")
    assert "an earlier run has" in told(page)
    assert (outputs / "demo" / "config.toml").read_text(encoding="utf-8") == "old = 1"


def picture(colour: str) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (64, 64), colour).save(out, "PNG")
    return out.getvalue()


def test_images_go_to_disk_at_once_and_captions_as_they_are_typed(outputs: Path) -> None:
    page = fill(open_train(), name="cat", trigger="sks cat")
    folder = arrive(page, {"a 1.png": picture("red"), "a 1.txt": b"one", "b.png": picture("blue")})
    assert not page.exception
    assert sorted(path.name for path in folder.iterdir()) == ["a_1.png", "a_1.txt", "b.png"]
    assert "2 images, 1 with a caption; the 1 without get the trigger word" in told(page)
    assert shown_sets(page) == [str(folder)]
    write_caption(folder, "b.png", "two *b*")  # as caption_grid.js does
    assert "2 images, 2 with a caption" in told(open_train())


def find_drop(page: AppTest) -> dict[str, str]:
    """What the page tells the place to drop files on."""
    sent = (json.loads(part.proto.json) for part in page.get("bidi_component") if part.proto.json)
    return next(data for data in sent if "where" in data)


def arrive(page: AppTest, files: dict[str, bytes], is_told: bool = True) -> Path:
    """Sends files where the page says, as dropzone.js does. Returns the data set into which they went.

    `is_told`: the page runs again then."""
    place = find_drop(page)["target"]
    client = TestClient(Starlette(routes=uploads.ROUTES))
    rows = [[path, len(data)] for path, data in files.items()]
    planned = client.post("sets/plan", json={"place": place, "files": rows}).json()["files"]
    for (path, data), plan in zip(files.items(), planned, strict=True):
        sent = client.post("sets/arrive", params={"place": place, "name": plan["name"], "path": path}, content=data)
        assert sent.json()["outcome"] == "added"
    if "form" in page.session_state:  # what its callback does: AppTest cannot call it
        page.session_state["form"]["data.folder"] = place
        form.write_values(form.draft(), page.session_state["form"])
    if is_told:
        page.run()
    return Path(place)


def shown_sets(page: AppTest) -> list[str]:
    """The data sets whose captions are on the page."""
    sent = (json.loads(part.proto.json) for part in page.get("bidi_component") if part.proto.json)
    return [data["place"] for data in sent if "place" in data]


def test_a_data_set_that_is_there_is_used_again_and_images_are_added_to_it(outputs: Path) -> None:
    folder = make_set("cats")
    (folder / "a.png").write_bytes(picture("red"))
    page = fill(open_train(), name="mine", trigger="x")
    page.get("button_group")[0].set_value("One that is there").run()
    assert shown_sets(page) == []
    page.selectbox(key="set").select(str(folder)).run()
    assert "1 image, 0 with a caption" in told(page)
    fill(page, name="another")
    assert form.read_values(form.draft())["data.folder"] == str(folder), "it is not named after the run"
    assert arrive(page, {"b.png": picture("blue")}, is_told=False) == folder  # AppTest holds the choices' old texts
    again = open_train()
    assert "2 images, 0 with a caption" in told(again)
    assert again.get("button_group")[0].value == "One that is there"
    again.get("button_group")[0].set_value("New data set").run()
    assert form.read_values(form.draft())["data.folder"] == str(outputs.parent / "datasets" / "another")
    assert sorted(path.name for path in folder.iterdir()) == ["a.png", "b.png"]


def test_looking_at_both_sources_of_images_is_not_reproached() -> None:
    page = fill(open_train(), name="mine", trigger="x")
    source = page.get("button_group")[0]
    source.set_value("A folder on this machine").run()
    assert page.text_input(key="form:data.folder").value == ""
    assert ":red[" not in told(page)
    page.get("button_group")[0].set_value("New data set").run()
    assert "datasets/mine at once" in find_drop(page)["where"]
    assert ":red[" not in told(page)
    press(page, "Start")
    assert "No images yet" in told(page)


def test_a_caption_uploaded_without_its_image_is_told(outputs: Path) -> None:
    page = fill(open_train(), name="cat", trigger="sks cat")
    arrive(page, {"lonely.txt": b"one", "a.png": picture("red")})
    assert "Got the caption lonely.txt without an image" in told(page)
    assert shown_sets(page), "it can be removed there"


def test_hostile_files_stay_in_their_folder_and_are_shown_as_text(outputs: Path) -> None:
    page = fill(open_train(), name="cat")
    names = ["../../x.png", "<img src=x onerror=alert(1)>.png", ":red[x].png"]
    arrive(page, dict.fromkeys(names, picture("red")))
    assert not page.exception
    assert {path.parent for path in outputs.parent.rglob("*.png")} == {outputs.parent / "datasets" / "cat"}
    assert "onerror=alert" not in "".join(part.proto.body for part in page.get("html"))


def test_a_base_model_brings_its_settings() -> None:
    page = press(open_train(), "Try the demo")
    page.selectbox(key="base").set_value("black-forest-labs/FLUX.1-schnell").run()
    assert find(page, "data.resolution").value == "512"
    assert find(page, "sample.steps").value == 4
    page.selectbox(key="base").set_value("").run()
    fill(page, model__base="models/mine")
    assert page.selectbox(key="base").value == ""
    assert form.read_values(form.draft())["model.base"] == "models/mine"


def test_the_switches_are_back_after_a_refresh_and_go_with_the_run(outputs: Path) -> None:
    page = press(open_train(), "Try the demo")
    assert page.toggle(key="checkpointing").value
    assert page.toggle(key="form:care.monitor").value
    assert page.selectbox(key="form:care.when_stalled").value == "tell", "nothing is done that nobody asked for"
    page.selectbox(key="form:care.when_stalled").select("resume").run()
    page.toggle(key="form:care.resume_after_crash").set_value(True).run()
    page.number_input(key="form:care.most_resumes").set_value(7).run()
    page.selectbox(key="form:care.place").select("none").run()
    page.toggle(key="checkpointing").set_value(False).run()
    again = open_train()
    assert again.selectbox(key="form:care.when_stalled").value == "resume"
    assert not again.toggle(key="checkpointing").value
    assert "after a crash or a power loss it begins at the beginning" in told(again)
    press(again, "Start")
    folder = RunFolder(outputs / "demo")
    try:
        chosen = Care(when_stalled="resume", resume_after_crash=True, most_resumes=7, place="none")
        assert read_care(folder) == chosen
        assert load_config(folder.config).save.state_every_epochs == 0
    finally:
        stop_run(folder, wait=60)
    repeated = press(open_page("run", run="demo"), "Another like this")
    assert form.to_care(repeated.session_state.form) == chosen
    assert not repeated.toggle(key="checkpointing").value


def test_checkpointing_and_its_number_say_the_same() -> None:
    page = open_train()
    page.toggle(key="checkpointing").set_value(False).run()
    assert find(page, "save.state_every_epochs").value == 0
    fill(page, save__state_every_epochs=3)
    assert page.toggle(key="checkpointing").value
