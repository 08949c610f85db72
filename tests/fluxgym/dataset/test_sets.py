"""Data sets are made, renamed, deleted, and it is known which runs use them."""

from pathlib import Path

import pytest
from PIL import Image

from fluxgym.dataset.captioning import KIND
from fluxgym.dataset.sets import SetError, delete_set, find_set, find_users, list_sets, make_set, rename_set, summarise
from fluxgym.job.begin import start_job, stop_job
from fluxgym.run import lock
from trainer.folder import RunFolder

pytestmark = pytest.mark.usefixtures("outputs")


def use(outputs: Path, run: str, folder: object, key: str = "folder") -> RunFolder:
    place = RunFolder(outputs / run)
    place.path.mkdir()
    place.config.write_text(f'name = "{run}"\n[data]\n{key} = "{folder}"\n', encoding="utf-8")
    return place


def test_made_listed_renamed_deleted(outputs: Path) -> None:
    assert list_sets() == []
    cat = make_set("cat")
    assert cat == outputs.parent / "datasets" / "cat"
    Image.new("RGB", (32, 32)).save(cat / "a.png")
    (cat / "a.txt").write_text("one")
    Image.new("RGB", (32, 32)).save(cat / "b.png")
    (cat.parent / ".hidden").mkdir()
    (cat.parent / "file").write_text("")
    found = summarise(cat)
    assert ([path.name for path in found.images], found.captioned, found.problem) == (["a.png", "b.png"], 1, "")
    assert found.size == sum(path.stat().st_size for path in cat.iterdir())
    make_set("dog")
    assert {path.name for path in list_sets()} == {"cat", "dog"}
    lion = rename_set(cat, "lion")
    assert (find_set("lion"), find_set("cat"), (lion / "a.txt").read_text()) == (lion, None, "one")
    assert rename_set(lion, "Lion").name == "Lion"
    delete_set(lion.with_name("Lion"))
    assert {path.name for path in lion.parent.iterdir()} == {".hidden", "dog", "file"}


def test_a_name_that_cannot_be_one_is_refused(hostile_name: str, outputs: Path) -> None:
    cat = make_set("cat")
    for does in (lambda: make_set(hostile_name), lambda: rename_set(cat, hostile_name)):
        with pytest.raises(SetError, match="got the name"):
            does()
    assert find_set(hostile_name) is None
    assert [path.name for path in cat.parent.iterdir()] == ["cat"]


def test_no_two_of_one_name_in_whatever_case(outputs: Path) -> None:
    cat = make_set("cat")
    with pytest.raises(SetError, match="a data set cat already"):
        make_set("CAT")
    with pytest.raises(SetError, match="a data set cat already"):
        rename_set(make_set("dog"), "cat")
    assert cat.is_dir()


def test_who_uses_it(outputs: Path) -> None:
    cat, cats = make_set("cat"), make_set("cats")
    use(outputs, "one", cat)
    use(outputs, "two", cat / "dataset.toml")
    use(outputs, "three", cat, key="regularisation")
    use(outputs, "four", cats)
    (outputs / "five").mkdir()
    (outputs / "five" / "config.toml").write_text("broken [")
    assert {folder.name for folder in find_users(cat)} == {"one", "two", "three"}
    assert {folder.name for folder in find_users(cats)} == {"four"}


def test_one_in_use_is_neither_renamed_nor_deleted(outputs: Path) -> None:
    cat = make_set("cat")
    run = use(outputs, "one", cat)
    held = lock.take(run.lock)
    assert held
    try:
        for does in (lambda: rename_set(cat, "dog"), lambda: delete_set(cat)):
            with pytest.raises(SetError, match="in use by one"):
                does()
    finally:
        held.free()
    assert cat.is_dir()


def test_one_that_captions_are_written_for_stays_where_it_is() -> None:
    cat = make_set("cat")
    job = start_job(KIND, str(cat), ["-c", "import time; time.sleep(600)"], "Captions of cat")
    with pytest.raises(SetError, match="captions are being written for cat; it can be renamed when"):
        rename_set(cat, "lion")
    stop_job(job)
    assert rename_set(cat, "lion").is_dir()
