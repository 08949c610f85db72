"""The grid of samples and their thumbnails."""

import os
import threading

import pytest
from PIL import Image

from fluxgym.view.samples import SIDE, Column, grid, read_name, thumbnail
from trainer.folder import RunFolder

CONFIG = 'name = "a"\ntrigger = "sks robot"\n[sample]\nprompts = ["[trigger] in snow", "a cat"]\nseed = 7\n'


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "a" / "sample").mkdir(parents=True)
    (tmp_path / "a" / "config.toml").write_text(CONFIG)
    return RunFolder(tmp_path / "a")


def draw(folder, name, size=(800, 400)):
    Image.new("RGB", size, "red").save(folder.samples / name)
    return folder.samples / name


@pytest.mark.parametrize(
    ("name", "column", "prompt", "seed"),
    [
        ("my_lora_e000004_01_20261124101502_42.png", Column(4), 1, 42),
        ("my_lora_e000000_00_20261124101502_42.png", Column(0), 0, 42),
        ("my_lora_000000_00_20261124101502.png", Column(0), 0, None),
        ("my_lora_000120_11_20261124101502.png", Column(120, is_epoch=False), 11, None),
        ("000120_00_20261124101502.PNG", Column(120, is_epoch=False), 0, None),
    ],
)
def test_names(tmp_path, name, column, prompt, seed):
    said = read_name(tmp_path / name)
    assert (said.column, said.prompt, said.seed) == (column, prompt, seed)


@pytest.mark.parametrize(
    "name", ["a.png", "a_e4_00_20261124101502.png", "a_e000004_00_20261124101502_42.new", "a_e000004_00_2026.png"]
)
def test_other_files_are_no_samples(tmp_path, name):
    assert read_name(tmp_path / name) is None


def test_rows_are_prompts_and_columns_are_epochs(folder):
    for epoch in (4, 0, 2):
        for prompt in (0, 1):
            draw(folder, f"a_e{epoch:06d}_{prompt:02d}_2026112410150{epoch}_{7 + prompt}.png")
    (folder.samples / "half.new").write_bytes(b"x")
    found = grid(folder)
    assert [column.label for column in found.columns] == ["base model", "epoch 2", "epoch 4"]
    assert [(row.prompt, row.seed) for row in found.rows] == [("sks robot in snow", 7), ("a cat", 8)]
    assert found.rows[1].pictures[Column(4)].name == "a_e000004_01_20261124101504_8.png"


def test_a_prompt_drawn_again_shows_the_latest(folder):
    draw(folder, "a_e000002_00_20261124101502_7.png")
    draw(folder, "a_e000002_00_20261125101502_9.png")
    (row, _) = grid(folder).rows
    assert (row.pictures[Column(2)].name, row.seed) == ("a_e000002_00_20261125101502_9.png", 9)


def test_steps_and_epochs_stand_in_the_order_of_drawing(folder):
    draw(folder, "a_000050_00_20261124101503.png")
    draw(folder, "a_e000001_00_20261124101502.png")
    draw(folder, "a_000000_00_20261124101501.png")
    assert [column.label for column in grid(folder).columns] == ["base model", "epoch 1", "step 50"]


def test_nothing_drawn_yet_and_no_settings(folder, tmp_path):
    assert [row.prompt for row in grid(folder).rows] == ["sks robot in snow", "a cat"]
    assert grid(folder).columns == []
    assert grid(RunFolder(tmp_path / "none")).rows == []
    folder.config.write_text("[sample")
    draw(folder, "a_e000001_01_20261124101502.png")
    assert [row.prompt for row in grid(folder).rows] == ["Prompt 1", "Prompt 2"]


def test_the_prompts_of_kohya(folder):
    folder.config.unlink()
    (folder.path / "sample_prompts.txt").write_text("# seeds\na robot --w 512 --d 42\n\na cat\n")
    assert [(row.prompt, row.seed) for row in grid(folder).rows] == [("a robot", 42), ("a cat", None)]


def test_a_thumbnail_is_made_once(folder):
    picture = draw(folder, "a_e000002_00_20261124101502_7.png")
    small = thumbnail(folder, picture)
    assert small.parent == folder.thumbnails
    assert Image.open(small).size == (SIDE, SIDE // 2)
    made = small.stat().st_mtime_ns
    assert thumbnail(folder, picture) == small
    assert small.stat().st_mtime_ns == made
    assert [path.name for path in folder.thumbnails.iterdir()] == [small.name]


def test_a_changed_picture_has_another_thumbnail(folder):
    picture = draw(folder, "a_e000002_00_20261124101502_7.png")
    first = thumbnail(folder, picture)
    os.utime(picture, ns=(1, 1))
    assert thumbnail(folder, picture) != first


def test_a_broken_picture_is_skipped_until_it_is_whole(folder):
    picture = draw(folder, "a_e000002_00_20261124101502_7.png")
    whole = picture.read_bytes()
    for broken in (b"", b"not a picture", whole[: len(whole) // 2], whole[:40] + b"\0" * 40 + whole[80:]):
        picture.write_bytes(broken)
        assert thumbnail(folder, picture) is None
        assert not folder.thumbnails.exists() or list(folder.thumbnails.iterdir()) == []
    picture.write_bytes(whole)
    os.utime(picture, ns=(2, 2))
    assert thumbnail(folder, picture) is not None
    assert thumbnail(folder, folder.samples / "gone.png") is None


def test_many_may_want_it_at_once(folder):
    picture, made = draw(folder, "a_e000002_00_20261124101502_7.png", (1500, 1500)), []
    threads = [threading.Thread(target=lambda: made.append(thumbnail(folder, picture))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(made)) == 1
    assert [path.suffix for path in folder.thumbnails.iterdir()] == [".webp"]
