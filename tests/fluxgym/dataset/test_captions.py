"""Captions are read and written where the trainer reads them, whatever the layout, and never beside another image."""

import json
from pathlib import Path

import pytest
from PIL import Image

from fluxgym.dataset.captions import (
    CaptionChanged,
    find_image,
    find_version,
    is_editable,
    read_captions,
    write_caption,
    write_captions,
)
from trainer.layouts import read_layout
from trainer.mini import DATASET


def current_text(place: Path, key: str) -> str:
    return next(image.text for image in read_captions(place).images if image.key == key)


def draw(*paths: Path) -> None:
    for number, path in enumerate(paths):
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (32, 32), (number, 0, 0)).save(path)


def learned(place: Path) -> dict[str, str]:
    """What the trainer learns, which is what counts."""
    layout = read_layout(place)
    assert layout.problems == []
    return {each.path.name: each.caption for each in layout.found}


def texts(place: Path) -> dict[str, str]:
    return {each.key: each.text for each in read_captions(place).images}


def test_beside_the_image(tmp_path: Path) -> None:
    draw(tmp_path / "a.png", tmp_path / "b.jpg", tmp_path / "c.png")
    (tmp_path / "b.CAPTION").write_text("no caption of anybody")
    (tmp_path / "c.TXT").write_text("see")
    assert texts(tmp_path) == {"a.png": "", "b.jpg": "", "c.png": "see"}
    assert write_caption(tmp_path, "b.jpg", "  two\nlines ") == "two\nlines"
    write_caption(tmp_path, "c.png", "other")
    assert (tmp_path / "c.TXT").read_text() == "other\n", "it stays the file that it was"
    assert learned(tmp_path) == {"a.png": "", "b.jpg": "two lines", "c.png": "other"}
    write_caption(tmp_path, "c.png", "")
    assert learned(tmp_path)["c.png"] == ""
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "b.CAPTION", "b.jpg", "b.txt", "c.png"]


def test_in_folders_whose_names_say_how_often(tmp_path: Path) -> None:
    draw(tmp_path / "10_sks dog" / "a.png", tmp_path / "5_sks dog" / "a.png", tmp_path / "0_none" / "x.png")
    found = read_captions(tmp_path)
    assert [(each.key, each.text, each.learned) for each in found.images] == [
        ("10_sks dog/a.png", "", "sks dog"),
        ("5_sks dog/a.png", "", "sks dog"),
    ]
    write_caption(tmp_path, "5_sks dog/a.png", "five")
    assert (tmp_path / "5_sks dog" / "a.txt").read_text() == "five\n"
    assert {each.name: each.caption for each in read_layout(tmp_path).found} == {
        "10_sks dog/a.png": "sks dog",
        "5_sks dog/a.png": "five",
    }


def test_in_metadata_jsonl_where_it_is_there(tmp_path: Path) -> None:
    draw(*(tmp_path / name for name in ("a.png", "b.png", "c.png", "sub/d.png", "e.png")))
    lines = [
        b'\xef\xbb\xbf{"file_name": "a.png", "text": "one\xe2\x80\xa8two", "score":  1.50}\r',
        b'{"prompt": "dee", "file_name": "sub/d.png"}',
        b'{"file_name":"b.png","text":"bee"}',
        b"",
    ]
    (tmp_path / "metadata.jsonl").write_bytes(b"\n".join(lines))
    (tmp_path / "b.txt").write_text("beside")
    assert texts(tmp_path) == {"a.png": "one two", "b.png": "beside", "c.png": "", "e.png": "", "sub/d.png": "dee"}
    write_caption(tmp_path, "sub/d.png", "Hund \u00e4", before="dee")
    now = (tmp_path / "metadata.jsonl").read_bytes().split(b"\n")
    assert (now[0], now[2:]) == (lines[0], lines[2:]), "all other lines stay byte for byte"
    assert json.loads(now[1]) == {"prompt": "Hund \u00e4", "file_name": "sub/d.png"}
    write_captions(tmp_path, {"a.png": "A", "b.png": "", "c.png": "C"}, {"a.png": "one two", "b.png": "beside", "c.png": ""})
    assert learned(tmp_path) == {"a.png": "A", "b.png": "", "c.png": "C", "d.png": "Hund \u00e4", "e.png": ""}
    assert (tmp_path / "c.txt").read_text() == "C\n", "no line names it"
    assert not (tmp_path / "b.txt").exists()
    assert (tmp_path / "metadata.jsonl").read_bytes().startswith(b"\xef\xbb\xbf{")
    assert texts(tmp_path / "metadata.jsonl")["a.png"] == "A"


def test_as_a_dataset_toml_says(tmp_path: Path) -> None:
    draw(tmp_path / "set" / "img" / "a.png", tmp_path / "other" / "img" / "a.png")
    (tmp_path / "set" / "img" / "a.words").write_text("dog")
    toml = tmp_path / "set" / "dataset.toml"
    toml.write_text(
        '[[datasets]]\n[[datasets.subsets]]\nimage_dir = "img"\ncaption_extension = ".words"\ncaption_prefix = "photo of"\n'
        f'[[datasets.subsets]]\nimage_dir = "{tmp_path}/other/img"\nclass_tokens = "sks"\n'
    )
    for place in (toml, toml.parent):
        first, second = read_captions(place).images
        assert (first.name, second.name) == ("img/a.png", "img/a.png"), "of two folders with one name"
        told = {each.path.parent.parent.name: each for each in (first, second)}
        assert (told["set"].text, told["set"].learned) == ("dog", "photo of dog")
        assert (told["other"].text, told["other"].learned) == ("", "sks")
        write_caption(place, told["set"].key, "dog")
        write_caption(place, told["other"].key, "")
    write_caption(toml, told["set"].key, "cat")
    write_caption(toml, told["other"].key, "own")
    assert sorted(each.caption for each in read_layout(toml).found) == ["own", "photo of cat"]
    assert (tmp_path / "set" / "img" / "a.words").read_text() == "cat\n"


def test_what_was_changed_elsewhere_is_not_written_over(tmp_path: Path) -> None:
    draw(tmp_path / "a.png", tmp_path / "b.png")
    write_caption(tmp_path, "a.png", "one", before="")
    with pytest.raises(CaptionChanged) as caught:
        write_caption(tmp_path, "a.png", "two", before="")
    assert caught.value.text == "one"
    assert write_caption(tmp_path, "a.png", "one", before="nothing") == "one", "both say the same"
    kept, changed = write_captions(tmp_path, {"a.png": "x", "b.png": "y"}, {"a.png": "old", "b.png": ""})
    assert (kept, changed) == ({"b.png": "y"}, ["a.png"])
    assert texts(tmp_path) == {"a.png": "one", "b.png": "y"}


def test_another_encoding_is_read_as_it_was_meant_and_mended_by_an_edit(tmp_path: Path) -> None:
    draw(*(tmp_path / f"{name}.png" for name in "abcd"))
    (tmp_path / "a.txt").write_bytes("h\u00fcbsch".encode("latin-1"))
    (tmp_path / "b.txt").write_bytes("h\u00fcbsch".encode("utf-16"))
    (tmp_path / "c.txt").write_bytes("h\u00fcbsch".encode("utf-8-sig"))
    (tmp_path / "d.txt").write_text("x" * 1_000_000)
    *others, long = read_captions(tmp_path).images
    assert [each.text for each in others] == ["h\u00fcbsch"] * 3
    assert ["not UTF-8" in each.note for each in others] == [True, True, False]
    assert long.is_locked and "1,000,000 characters" in long.note and len(long.text) == 10_000
    with pytest.raises(CaptionChanged):
        write_caption(tmp_path, "d.png", "x", before=long.text)
    write_caption(tmp_path, "a.png", "h\u00fcbscher", before="h\u00fcbsch")
    write_caption(tmp_path, "b.png", "h\u00fcbscher")
    assert "d.txt has 1,000,000 bytes" in read_layout(tmp_path).problems[0]
    (tmp_path / "d.txt").unlink()
    assert learned(tmp_path)["a.png"] == learned(tmp_path)["b.png"] == "h\u00fcbscher"


def test_what_cannot_be_kept_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    draw(tmp_path / "a.png")
    for text, expected in [("x" * 10_001, "at most 10,000"), ("a\0b", "expected text"), ("\ud83d", "expected text")]:
        with pytest.raises(ValueError, match=expected):
            write_caption(tmp_path, "a.png", text)
    for key in ("../a.png", "b.png", "/etc/passwd", "", "\0"):
        with pytest.raises(ValueError, match="expected one of"):
            write_caption(tmp_path, key, "x")
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


def test_the_demo_is_only_looked_at() -> None:
    assert not is_editable(DATASET)
    key = read_captions(DATASET).images[0].key
    with pytest.raises(ValueError, match="only looked at"):
        write_caption(DATASET, key, "x")


def test_a_place_without_images_says_so(tmp_path: Path) -> None:
    assert "got no image" in read_captions(tmp_path).problems[0]
    assert "got nothing" in read_captions(tmp_path / "none").problems[0]


def test_a_file_that_came_later_is_found_and_makes_another_version(tmp_path: Path) -> None:
    draw(tmp_path / "a.png")
    read_captions(tmp_path)
    first = find_version(tmp_path)
    assert find_version(tmp_path) == first
    draw(tmp_path / "b.png")
    assert find_image(tmp_path, "b.png").path == tmp_path / "b.png"
    second = find_version(tmp_path)
    write_caption(tmp_path, "b.png", "bee")
    assert len({first, second, find_version(tmp_path)}) == 3
    assert current_text(tmp_path, "b.png") == "bee"
    (tmp_path / "b.png").unlink()
    with pytest.raises(ValueError, match="expected one of"):
        find_image(tmp_path, "b.png")


def test_a_caption_of_several_lines_in_metadata_jsonl_is_told_as_it_is_kept(tmp_path: Path) -> None:
    draw(tmp_path / "a.png")
    (tmp_path / "metadata.jsonl").write_text('{"file_name": "a.png", "text": "a"}\n')
    kept = write_caption(tmp_path, "a.png", "two\nlines", "a")
    assert kept == current_text(tmp_path, "a.png") == "two lines"
    assert write_caption(tmp_path, "a.png", "three", kept) == "three", "who wrote it is no stranger to it"
