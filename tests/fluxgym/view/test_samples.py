"""The grid of samples: rows, columns, and that it is the same object while nothing changed."""

import os

import pytest
from PIL import Image

from fluxgym.view.samples import Column, grid, place_of
from trainer.folder import RunFolder

CONFIG = 'name = "a"\ntrigger = "sks robot"\n[sample]\nprompts = ["[trigger] in snow", "a cat"]\nseed = 7\n'


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "a" / "sample").mkdir(parents=True)
    (tmp_path / "a" / "config.toml").write_text(CONFIG)
    return RunFolder(tmp_path / "a")


def draw(path, colour="red"):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (80, 40), colour).save(path)
    return path


def test_rows_are_prompts_and_columns_are_epochs(folder):
    for epoch in (4, 0, 2):
        for prompt in (0, 1):
            draw(folder.samples / f"a_e{epoch:06d}_{prompt:02d}_2026112410150{epoch}_{7 + prompt}.png")
    (folder.samples / "half.new").write_bytes(b"x")
    found = grid(folder)
    assert [column.label for column in found.columns] == ["base model", "epoch 2", "epoch 4"]
    assert [(row.prompt, row.seed) for row in found.rows] == [("sks robot in snow", 7), ("a cat", 8)]
    last = found.rows[1].pictures[Column(4)]
    assert last.path.name == "a_e000004_01_20261124101504_8.png"
    assert found.places[f"sample/{last.path.name}"] == last
    assert len(found.places) == 6


def test_a_prompt_drawn_again_shows_the_latest(folder):
    draw(folder.samples / "a_e000002_00_20261124101502_7.png")
    draw(folder.samples / "a_e000002_00_20261125101502_9.png")
    (row, _) = grid(folder).rows
    assert (row.pictures[Column(2)].path.name, row.seed) == ("a_e000002_00_20261125101502_9.png", 9)


def test_steps_and_epochs_stand_in_the_order_of_drawing(folder):
    draw(folder.samples / "a_000050_00_20261124101503.png")
    draw(folder.samples / "a_e000001_00_20261124101502.png")
    draw(folder.samples / "a_000000_00_20261124101501.png")
    assert [column.label for column in grid(folder).columns] == ["base model", "epoch 1", "step 50"]


def test_nothing_drawn_yet_and_no_settings(folder, tmp_path):
    assert [row.prompt for row in grid(folder).rows] == ["sks robot in snow", "a cat"]
    assert grid(folder).columns == []
    assert grid(RunFolder(tmp_path / "none")).rows == []
    folder.config.write_text("[sample")
    draw(folder.samples / "a_e000001_01_20261124101502.png")
    assert [row.prompt for row in grid(folder).rows] == ["Prompt 1", "Prompt 2"]


def test_the_samples_of_other_tools(tmp_path):
    toolkit = RunFolder(tmp_path / "toolkit")
    for number, step in enumerate((0, 250)):
        for prompt in (0, 1):
            draw(toolkit.path / "samples" / f"172409381700{number}__{step:09d}_{prompt}.jpg")
    found = grid(toolkit)
    assert [column.label for column in found.columns] == ["base model", "step 250"]
    assert [len(row.pictures) for row in found.rows] == [2, 2]

    simple = RunFolder(tmp_path / "simple")
    for step in (100, 200):
        for name in ("portrait", "my_dog"):
            draw(simple.path / "validation_images" / f"step_{step}_{name}_0_1024x1024.png")
    assert [row.prompt for row in grid(simple).rows] == ["my_dog, 1024x1024", "portrait, 1024x1024"]
    assert [column.label for column in grid(simple).columns] == ["step 100", "step 200"]

    one = RunFolder(tmp_path / "one")
    for number, prompt in enumerate(("a cat", "a <b>dog")):
        for step in (400, 800):
            name = f"2026-11-24_10-15-{step // 10}-training-sample-{step}-{step // 20}-0.jpg"
            draw(one.path / "samples" / f"{number} - {prompt}" / name)
    rows = grid(one).rows
    assert [row.prompt for row in rows] == ["a cat", "a <b>dog"]
    assert place_of(one, rows[1].pictures[Column(400, is_epoch=False)]).startswith("samples/1 - a <b>dog/2026-")


def test_the_grid_is_made_anew_only_when_something_changed(folder):
    first = draw(folder.samples / "a_e000001_00_20261124101502_7.png")
    for path in (first, folder.samples):
        os.utime(path, (1_000_000, 1_000_000))
    before = grid(folder)
    assert grid(folder) is before
    draw(folder.samples / "a_e000002_00_20261124101503_7.png")
    after = grid(folder)
    assert after.version != before.version
    assert len(after.columns) == 2
    folder.config.write_text(CONFIG.replace("a cat", "a dog"))
    assert grid(folder).rows[1].prompt == "a dog"


def test_a_picture_that_is_still_being_written_is_another_when_it_is_whole(folder):
    path = folder.samples / "a_e000001_00_20261124101502_7.png"
    path.write_bytes(b"half")
    stamp = folder.samples.stat().st_mtime_ns
    before = grid(folder).version
    Image.new("RGB", (80, 40)).save(path)
    os.utime(folder.samples, ns=(stamp, stamp))
    assert grid(folder).version != before
