"""Whether a form can be started, and the plan that it makes."""

from pathlib import Path

import pytest
from PIL import Image

from fluxgym.form import form
from fluxgym.form.check import check_form

pytestmark = pytest.mark.usefixtures("outputs")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "images"
    path.mkdir()
    for number in range(3):
        Image.new("RGB", (64, 64)).save(path / f"{number}.png")
    (path / "0.txt").write_text("zero", encoding="utf-8")
    return path


def test_the_demo_can_be_started() -> None:
    checked = check_form(form.demo_values())
    assert checked.problems == {}
    assert checked.plan is not None
    assert (checked.plan.train_images, checked.plan.validation_images, checked.plan.total_steps) == (10, 2, 300)
    assert checked.captioned == len(checked.images) == 12


def problem_with(folder: Path | str) -> str:
    return check_form(form.demo_values() | {"data.folder": str(folder), "data.validation_images": 0}).problems.get(
        "data.folder", ""
    )


def test_images_need_no_captions(folder: Path) -> None:
    assert problem_with(folder) == ""
    assert check_form(form.demo_values() | {"data.folder": str(folder)}).captioned == 1


def test_no_folder_no_image(tmp_path: Path) -> None:
    assert "upload some" in problem_with("")
    assert "expected one that exists" in problem_with(tmp_path / "no")
    assert "expected at least one" in problem_with(tmp_path)


def test_an_image_that_is_none(folder: Path) -> None:
    (folder / "1.png").write_bytes(b"no image")
    (folder / "2.png").write_bytes(b"")
    assert "1.png cannot be opened as an image" in problem_with(folder)
    assert "(and 1 more)" in problem_with(folder)


def test_an_image_that_is_too_small(folder: Path) -> None:
    Image.new("RGB", (64, 8)).save(folder / "1.png")
    assert problem_with(folder) == "1.png: got an image of 64x8 px, expected at least 16 px on each side"


def test_the_plan_knows_the_shapes_of_the_images(folder: Path) -> None:
    values = form.demo_values() | {"data.folder": str(folder), "data.validation_images": 0, "data.repeats": 2}
    values |= {"data.batch_size": 2, "data.regularisation": "", "data.regularisation_images": 0, "data.resolution": 64}
    plan = check_form(values).plan
    assert plan and plan.steps_per_epoch == 3
    Image.new("RGB", (200, 100)).save(folder / "1.png")
    plan = check_form(values).plan
    assert plan and plan.steps_per_epoch == 3, "2 + 1 batches"
    Image.new("RGB", (100, 200)).save(folder / "2.png")
    plan = check_form(values | {"data.batch_size": 3}).plan
    assert plan and plan.steps_per_epoch == 3, "one of each shape, filled up"


def test_other_layouts(folder: Path) -> None:
    (folder / "10_cat").mkdir()
    (folder / "1.png").rename(folder / "10_cat" / "1.png")
    (folder / "dataset.toml").write_text('[[datasets]]\n[[datasets.subsets]]\nimage_dir = "10_cat"\nnum_repeats = 7\n')
    for path in folder.glob("*.*"):
        if path.suffix != ".toml":
            path.rename(folder.parent / path.name)
    values = form.demo_values() | {
        "data.validation_images": 0,
        "data.regularisation_images": 0,
        "data.batch_size": 1,
        "trigger": "x",
    }
    for given, steps in ((folder / "dataset.toml", 7), (folder, 7)):
        checked = check_form(values | {"data.folder": str(given)})
        assert checked.problems == {} and checked.plan and checked.plan.steps_per_epoch == steps
    (folder / "dataset.toml").unlink()
    checked = check_form(values | {"data.folder": str(folder)})
    assert checked.captioned == 1 and checked.plan and checked.plan.steps_per_epoch == 10
    assert "expected one that exists" in problem_with(folder / "dataset.toml")
    checked = check_form(values | {"data.folder": str(folder), "data.regularisation": str(folder)})
    assert checked.problems == {}, "regularisation images too"
    (folder / "metadata.jsonl").write_text('{"file_name": "none.png"}\n')
    assert problem_with(folder).startswith("metadata.jsonl, line 1: got the file_name 'none.png'")


def test_a_caption_without_an_image(folder: Path) -> None:
    (folder / "lonely.txt").touch()
    assert "got the caption lonely.txt without an image" in problem_with(folder)
    (folder / "alone.TXT").touch()
    assert "got the caption alone.TXT (and 1 more) without an image" in problem_with(folder)


def test_hidden_files_are_left_alone_as_the_trainer_does(folder: Path) -> None:
    (folder / "._1.png").write_bytes(b"\0\5\x16\7 what macOS puts beside a file on other disks")
    (folder / "._0.txt").write_bytes(b"\0\5\x16\7")
    assert problem_with(folder) == ""


def test_a_name_that_a_run_has(outputs: Path) -> None:
    (outputs / "cat").mkdir(parents=True)
    (outputs / "cat" / "config.toml").touch()
    assert "an earlier run has" in check_form(form.demo_values() | {"name": "cat"}).problems["name"]


def test_everything_held_out(folder: Path) -> None:
    checked = check_form(form.demo_values() | {"data.folder": str(folder), "data.validation_images": 3})
    assert "expected at least one to learn from" in checked.problems["data.validation_images"]
    assert checked.plan is None


def test_regularisation_without_images(tmp_path: Path) -> None:
    checked = check_form(form.demo_values() | {"data.regularisation": str(tmp_path)})
    assert "expected a folder with images" in checked.problems["data.regularisation"]


def test_an_image_without_a_caption_needs_a_trigger(folder: Path) -> None:
    values = form.demo_values() | {"data.folder": str(folder), "trigger": ""}
    assert "2 images have no caption" in check_form(values).problems["trigger"]


@pytest.mark.parametrize("base", ["models/none here", "not-a-hub-name", "/nowhere/at/all"])
def test_a_base_model_that_cannot_be_meant(base: str) -> None:
    trouble = check_form(form.demo_values() | {"model.base": base}).problems["model.base"]
    assert f"got {base!r}" in trouble and "a name on the Hugging Face Hub" in trouble


def test_the_home_folder_can_be_meant(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(folder.parent))
    assert problem_with("~/images") == ""
    values = form.demo_values() | {"data.folder": "~/images", "data.regularisation": "~/images"}
    config = form.to_config(values)
    assert (config.data.folder, config.data.regularisation) == (str(folder), str(folder))


def test_a_folder_for_uploads_that_is_not_there_yet_holds_no_images(outputs: Path) -> None:
    assert "No images yet" in problem_with(outputs.parent / "datasets" / "mine")


@pytest.mark.parametrize("data", ["a cat".encode("utf-16"), b"a caf\xe9"])
def test_a_caption_that_the_trainer_cannot_read(data: bytes, folder: Path) -> None:
    (folder / "1.txt").write_bytes(data)
    assert "got the caption 1.txt in another encoding, expected UTF-8" in problem_with(folder)
    values = form.demo_values() | {"data.folder": str(folder), "data.validation_images": 0}
    assert check_form(values).captioned == 1
