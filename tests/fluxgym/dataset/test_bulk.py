"""One change to many captions: shown before, made at once, taken back as far as nobody edited what it made."""

from pathlib import Path

import pytest
from PIL import Image

from fluxgym.dataset import bulk
from fluxgym.dataset.bulk import Change, Edit
from fluxgym.dataset.captions import read_captions, write_caption

pytestmark = pytest.mark.usefixtures("outputs")


@pytest.mark.parametrize(
    ("edit", "before", "after"),
    [
        (Edit("replace", "cat", "dog"), "a cat, Cat, cattle", "a dog, Cat, dogtle"),
        (Edit("replace", "cat", "dog", match_case=False), "a Cat", "a dog"),
        (Edit("replace", "a.b", r"\1"), "a.b axb", r"\1 axb"),
        (Edit("replace", ", blurry"), "a cat, blurry", "a cat"),
        (Edit("prefix", "sks cat, "), "on a sofa", "sks cat, on a sofa"),
        (Edit("prefix", "sks cat, "), "sks cat on a sofa", "sks cat on a sofa"),
        (Edit("prefix", "cat, "), "cattle", "cat, cattle"),
        (Edit("prefix", "sks cat, "), "", "sks cat"),
        (Edit("append", ", photo"), "a cat", "a cat, photo"),
        (Edit("append", ", photo"), "a cat, photo", "a cat, photo"),
        (Edit("append", ", photo"), "", "photo"),
        (Edit("remove prefix", "sks cat, "), "sks cat, on a sofa", "on a sofa"),
        (Edit("remove prefix", "sks cat"), "sks cats", "sks cats"),
        (Edit("remove prefix", "The image shows", match_case=False), "the image shows a cat", "a cat"),
    ],
)
def test_what_is_done_to_a_caption(edit: Edit, before: str, after: str) -> None:
    assert edit.apply(before) == after
    assert edit.kind == "replace" or edit.apply(after) == after, "twice is as once"


@pytest.mark.parametrize(
    "values", [("other", "x"), ("prefix", "  "), ("replace", ""), ("replace", "x" * 1001), ("replace", "x", "y" * 1001)]
)
def test_an_edit_of_nothing_is_refused(values: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="got"):
        Edit(*values)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    folder.mkdir()
    for name in ("a", "b", "c"):
        Image.new("RGB", (32, 32)).save(folder / f"{name}.png")
    (folder / "a.txt").write_text("a cat")
    (folder / "b.txt").write_text("two cats")
    return folder


def texts(place: Path) -> list[str]:
    return [image.text for image in read_captions(place).images]


def test_it_is_shown_made_and_taken_back(place: Path) -> None:
    edit = Edit("replace", "cat", "dog")
    changes = bulk.preview(read_captions(place), ["a.png", "b.png", "c.png"], edit)
    assert changes == [Change("a.png", "a cat", "a dog"), Change("b.png", "two cats", "two dogs")]
    assert texts(place) == ["a cat", "two cats", ""], "it is only shown"
    assert bulk.can_undo(place) == 0
    assert bulk.make(place, changes) == []
    assert (texts(place), bulk.can_undo(place)) == (["a dog", "two dogs", ""], 2)
    write_caption(place, "b.png", "edited since")
    assert bulk.undo(place) == ["b.png"]
    assert (texts(place), bulk.can_undo(place)) == (["a cat", "edited since", ""], 0)
    assert bulk.undo(place) == []
    assert {path.suffix for path in place.iterdir()} == {".png", ".txt"}, "nothing else is put into somebody's folder"


def test_only_those_that_were_chosen_and_are_as_they_were_shown(place: Path) -> None:
    changes = bulk.preview(read_captions(place), ["a.png", "c.png"], Edit("prefix", "sks, "))
    assert [change.key for change in changes] == ["a.png", "c.png"]
    write_caption(place, "a.png", "other")
    assert bulk.make(place, changes) == ["a.png"]
    assert texts(place) == ["other", "two cats", "sks"]
    bulk.undo(place)
    assert texts(place) == ["other", "two cats", ""]


def test_many_in_metadata_are_one_file(place: Path) -> None:
    lines = [f'{{"file_name": "{name}.png", "text": "{name}"}}' for name in "abc"]
    (place / "metadata.jsonl").write_text("\n".join(lines))
    for name in "ab":
        (place / f"{name}.txt").unlink()
    bulk.make(place, bulk.preview(read_captions(place), ["a.png", "b.png", "c.png"], Edit("append", " x")))
    assert texts(place) == ["a x", "b x", "c x"]
    assert not list(place.glob("*.txt"))
