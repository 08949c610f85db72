"""Whose captions are whose: what a model wrote may be written anew, what a person wrote never."""

import json

import pytest
from PIL import Image

from trainer.listing import DatasetError
from trainer.written import RECORD, Written, choose, find_file, is_wanted


@pytest.fixture
def make(tmp_path):
    """make({"cat.png": "a cat", "dog.png": None}, folder): images with and without captions."""

    def fill(captions, folder="set"):
        place = tmp_path / folder
        place.mkdir(parents=True, exist_ok=True)
        for name, text in captions.items():
            Image.new("RGB", (64, 64)).save(place / name)
            if text is not None:
                (place / name).with_suffix(".txt").write_text(text, encoding="utf-8")
        return place

    return fill


def names(found):
    return [each.name for each in found]


def test_only_images_without_a_caption_are_asked_for(make):
    place = make({"a.png": "a cat", "b.png": None, "c.png": " \n"})
    choice = choose(place)
    assert (names(choice.todo), names(choice.by_model), names(choice.by_person)) == (["b.png", "c.png"], [], ["a.png"])
    for found in choice.todo:
        Written(place).write(found, f"a thing in {found.name}", "small")
    assert (place / "c.txt").read_text() == "a thing in c.png\n"
    choice = choose(place)
    assert (names(choice.todo), names(choice.by_model), names(choice.by_person)) == ([], ["b.png", "c.png"], ["a.png"])
    assert names(choose(place, again=True).todo) == ["b.png", "c.png"]


def test_what_a_person_changed_is_a_persons(make):
    place = make({"a.png": None, "b.png": None})
    for found in choose(place).todo:
        Written(place).write(found, "a cat", "small")
    (place / "a.txt").write_text("a tabby cat\n")
    assert names(choose(place, again=True).todo) == ["b.png"]
    (place / "a.txt").write_text("a  cat")  # as it was, but for white space
    assert names(choose(place, again=True).todo) == ["a.png", "b.png"]
    (place / "a.txt").rename(place / "z.txt")
    (place / "a.png").rename(place / "z.png")
    assert names(choose(place, again=True).by_person) == ["z.png"], "of another image nothing is known: then it is a person's"


def test_what_is_written_meanwhile_stays(make):
    place = make({"a.png": None, "b.png": None, "c.png": None})
    written = Written(place)
    first, second, third = choose(place).todo
    (place / "a.txt").write_text("mine")
    (place / "b.png").unlink()
    (place / "c.txt").write_bytes("mie\u00df".encode("latin-1"))
    assert [is_wanted(found, written, again=True) for found in (first, second, third)] == [False] * 3
    (place / "a.txt").write_text("")
    assert is_wanted(first, written, again=False)


def test_in_which_way_it_was_written_is_known_until_it_is_changed(make):
    place = make({"a.png": None})
    (found,) = choose(place).todo
    written = Written(place)
    assert written.find_way(found) == ""
    written.write(found, "a cat", "small, detailed")
    assert Written(place).find_way(found) == "small, detailed"
    (place / "a.txt").write_text("a dog")
    assert Written(place).find_way(found) == ""


def test_captions_of_other_forms_are_left_and_those_missing_go_where_they_are_read(make, tmp_path):
    make({"a.png": "one", "b.png": None}, "numbered/10_sks dog")
    choice = choose(tmp_path / "numbered")
    assert (names(choice.todo), choice.todo[0].caption) == (["10_sks dog/b.png"], "sks dog")
    place = make({"a.png": None, "b.png": None}, "hub")
    lines = [{"file_name": "a.png", "text": "a cat"}, {"file_name": "b.png", "text": ""}]
    (place / "metadata.jsonl").write_text("\n".join(map(json.dumps, lines)))
    (found,) = choose(place).todo
    Written(place).write(found, "a dog", "small")
    assert [each.caption for each in choose(place).by_model] == ["a dog"]
    images = make({"a.png": None, "b.png": None}, "kohya/images")
    (images / "a.words").write_text("a cat")
    toml = tmp_path / "kohya/dataset.toml"
    toml.write_text(
        '[[datasets]]\n[[datasets.subsets]]\nimage_dir = "images"\ncaption_extension = ".words"\nclass_tokens = "animal"'
    )
    (found,) = choose(toml).todo
    assert (found.path.name, found.caption, find_file(found).name) == ("b.png", "animal", "b.words")
    Written(toml).write(found, "a dog", "small")
    assert (tmp_path / "kohya" / RECORD).is_file() and names(choose(toml).by_model) == ["images/b.png"]


def test_captions_that_cannot_be_read_are_told_and_left(make):
    place = make({"a.png": None, "b.png": None})
    (place / "a.txt").write_bytes("Stra\u00dfe".encode("latin-1"))
    choice = choose(place, again=True)
    assert names(choice.todo) == ["b.png"] and "a.txt cannot be read, expected UTF-8" in choice.problems[0]


@pytest.mark.parametrize("damage", ["", "[1]", '{"written": [1]}', '{"written": {"a.png": 1}}', "[" * 100_000])
def test_a_damaged_record_makes_every_caption_a_persons(make, damage):
    place = make({"a.png": "a cat"})
    (place / RECORD).write_text(damage)
    assert names(choose(place, again=True).by_person) == ["a.png"]


def test_a_place_that_is_none_is_told(tmp_path):
    with pytest.raises(DatasetError, match="got nothing at"):
        choose(tmp_path / "nowhere")
