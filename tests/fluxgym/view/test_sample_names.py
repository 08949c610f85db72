"""What the names of samples say, of each trainer; folders that are looked into only when they change."""

import os

import pytest

from fluxgym.view.sample_names import Column, list_pictures, read_name, scan_samples
from trainer.folder import RunFolder


def steps(number):
    return Column(number, is_epoch=number == 0)


@pytest.mark.parametrize(
    ("name", "column", "prompt", "seed"),
    [
        ("my_lora_e000004_01_20261124101502_42.png", Column(4), 1, 42),
        ("my_lora_e000000_00_20261124101502_42.png", Column(0), 0, 42),
        ("my_lora_000000_00_20261124101502.png", Column(0), 0, None),
        ("my_lora_000120_11_20261124101502.png", steps(120), 11, None),
        ("000120_00_20261124101502.PNG", steps(120), 0, None),
        ("samples/1724093817000__000000500_3.jpg", steps(500), 3, None),
        ("samples/rank01_sample003_1724093817000__000000500_0.jpg", steps(500), 3, None),
        ("samples/7 - a robot/2026-11-24_10-15-02-training-sample-500-4-20.jpg", steps(500), 7, None),
        ("samples/7 - a robot/my-lora-2026-11-24_10-15-02-training-sample-500-4-20.webp", steps(500), 7, None),
    ],
)
def test_names(tmp_path, name, column, prompt, seed):
    said = read_name(tmp_path / name)
    assert (said.column, said.prompt, said.seed) == (column, prompt, seed)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("validation_images/step_500_portrait_0_1024x1024.png", "portrait, 1024x1024"),
        ("validation_images/step_500_my_dog_1024x768.png", "my_dog, 1024x768"),
        ("validation_images/step_0_validation_1.0.png", "validation, 1.0"),
        ("samples/0 - a cat/2026-11-24_10-15-02-training-sample-0-0-0.jpg", "a cat"),
    ],
)
def test_names_that_tell_the_prompt(tmp_path, name, said):
    assert read_name(tmp_path / name).said == said


@pytest.mark.parametrize(
    "name",
    [
        "a.png",
        "a_e4_00_20261124101502.png",
        "a_e000004_00_20261124101502_42.new",
        "a_e000004_00_2026.png",
        "elsewhere/step_500_portrait_0_1024x1024.png",
        "elsewhere/1724093817000__000000500_3.jpg",
        "samples/custom/2026-11-24_10-15-02-training-sample-500-4-20.jpg",
        "samples/1724093817000__000000500_3.mp4",
    ],
)
def test_other_files_are_no_samples(tmp_path, name):
    assert read_name(tmp_path / name) is None


def test_a_folder_is_looked_into_again_only_when_it_changed(tmp_path):
    folder = RunFolder(tmp_path)
    inner = tmp_path / "samples" / "0 - a cat"
    inner.mkdir(parents=True)
    name = "2026-11-24_10-15-0{}-training-sample-{}-1-0.jpg"
    (inner / name.format(1, 10)).write_bytes(b"x")
    for path in (inner / name.format(1, 10), inner, inner.parent):
        os.utime(path, (1_000_000, 1_000_000))
    first = scan_samples(folder)
    assert all(first[place] is scan for place, scan in scan_samples(folder).items())
    (inner / name.format(2, 20)).write_bytes(b"x")
    assert [picture.column.number for picture in list_pictures(folder)] == [10, 20]
    assert scan_samples(folder)[inner.parent] is first[inner.parent]


def test_what_is_no_picture_for_anybody_hides_none_of_the_others(tmp_path):
    folder = RunFolder(tmp_path)
    folder.samples.mkdir()
    whole = folder.samples / "robot_e000004_00_20261124101502_42.png"
    whole.write_bytes(b"1")
    (folder.samples / "robot_e000004_01_20261124101502_42.png").symlink_to("nowhere")
    os.mkfifo(folder.samples / "robot_e000004_02_20261124101502_42.png")
    (folder.samples / os.fsdecode(b"\xff_e000004_03_20261124101502_42.png")).write_bytes(b"1")
    assert [picture.path for picture in list_pictures(folder)] == [whole]


def test_links_that_lead_out_of_the_run_are_passed_over(tmp_path):
    """What lies there is not sent either: a folder of somebody else could name any file of the machine."""
    theirs, name = tmp_path / "theirs", "a_e000004_00_20261124101502_42.png"
    theirs.mkdir()
    (theirs / name).write_bytes(b"x")
    folder = RunFolder(tmp_path / "run")
    folder.samples.mkdir(parents=True)
    (folder.samples / name).symlink_to(theirs / name)
    (folder.path / "validation_images").symlink_to(theirs)
    (folder.path / "samples").symlink_to(folder.path)  # in a circle
    assert list_pictures(folder) == []
    inner = folder.path / "elsewhere.png"
    inner.write_bytes(b"x")
    (folder.samples / name).unlink()
    (folder.samples / name).symlink_to(inner)
    assert [picture.path for picture in list_pictures(folder)] == [folder.samples / name]
