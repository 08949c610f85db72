"""kohya's dataset.toml: what it says is done, or told that it is not."""

import json

import pytest
import tomli_w
from PIL import Image

from trainer.kohya import read_toml
from trainer.listing import DatasetError


@pytest.fixture
def make(tmp_path):
    """make(settings): a dataset.toml beside the folders one/ (a, b) and two/ (c), each image with a .txt and a.caption."""
    for number, name in enumerate(("one/a", "one/b", "two/c")):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        Image.new("RGB", (64, 64), (number, 0, 0)).save(path.with_suffix(".png"))
        path.with_suffix(".txt").write_text(f"{path.name} from  txt")
    (tmp_path / "one" / "a.caption").write_text("a from caption")

    def build(settings):
        file = tmp_path / "dataset.toml"
        file.write_text(settings if isinstance(settings, str) else tomli_w.dumps(settings))
        return file

    return build


def subsets(*given, **dataset):
    return {"datasets": [{**dataset, "subsets": list(given)}]}


def test_what_stands_nearer_counts(make):
    settings = {
        "general": {"caption_extension": ".txt", "shuffle_caption": True, "keep_tokens": 1},
        "datasets": [
            {
                "resolution": 768,
                "keep_tokens": 2,
                "subsets": [
                    {"image_dir": "one", "num_repeats": 5, "keep_tokens": 3, "flip_aug": True, "caption_dropout_rate": 0.1},
                    {"image_dir": "two"},
                ],
            }
        ],
    }
    layout = read_toml(make(settings), False)
    assert layout.problems == layout.notes == []
    found = {each.name: each for each in layout.found}
    assert {name: each.caption for name, each in found.items()} == {
        "one/a.png": "a from txt",
        "one/b.png": "b from txt",
        "two/c.png": "c from txt",
    }
    assert (found["one/a.png"].repeats, found["two/c.png"].repeats) == (5, 1)
    assert found["one/a.png"].manner == {"shuffle_tags": True, "keep_tags": 3, "flip": True, "caption_dropout": 0.1}
    assert found["two/c.png"].manner == {"shuffle_tags": True, "keep_tags": 2}
    assert {each.resolutions for each in layout.found} == {(768,)}


def test_captions(make, tmp_path):
    def captions(**subset):
        return [each.caption for each in read_toml(make(subsets({"image_dir": "one"} | subset)), False).found]

    assert captions() == ["a from caption", "b from txt"], "its own extension first"
    assert captions(caption_extension=".caption", class_tokens="sks") == ["a from caption", "sks"]
    assert captions(caption_extension=".none") == ["", ""]
    assert captions(caption_prefix="photo,", caption_suffix=", 4k") == ["photo, a from caption , 4k", "photo, b from txt , 4k"]
    assert captions(caption_extension=".none", caption_prefix="photo,") == ["", ""], "a prefix alone is no caption"
    rows = {"a": {"caption": "a cat", "tags": "red, blue"}, str(tmp_path / "one" / "b.png"): {"tags": "green"}}
    (tmp_path / "meta.json").write_text(json.dumps(rows))
    assert captions(caption_extension=".none", metadata_file="meta.json") == ["a cat, red, blue", "green"]


def test_the_same_images_at_several_resolutions(make):
    dataset = {"subsets": [{"image_dir": "one", "num_repeats": 2}]}
    layout = read_toml(make({"datasets": [{**dataset, "resolution": [512, 768]}, {**dataset, "resolution": 1024}]}), False)
    assert [(each.name, each.resolutions, each.repeats) for each in layout.found] == [
        ("one/a.png", (624, 1024), 2),
        ("one/b.png", (624, 1024), 2),
    ]


def test_regularisation_images_are_read_where_they_are_wanted(make):
    file = make(subsets({"image_dir": "one"}, {"image_dir": "two", "is_reg": True}))
    ours, theirs = read_toml(file, False), read_toml(file, True)
    assert [each.name for each in ours.found] == ["one/a.png", "one/b.png"]
    assert ours.notes == ["dataset.toml: subsets with is_reg are used when data.regularisation names the file, too"]
    assert [each.name for each in theirs.found] == ["two/c.png"]
    assert len(read_toml(make(subsets({"image_dir": "one"})), True).found) == 2, "none is marked: all are"


def test_masks(make, tmp_path):
    (tmp_path / "masks").mkdir()
    Image.new("L", (64, 64)).save(tmp_path / "masks" / "a.png")
    Image.new("L", (64, 64)).save(tmp_path / "one" / "b-masklabel.png")
    named = read_toml(make(subsets({"image_dir": "one", "conditioning_data_dir": "masks"})), False)
    assert [each.mask for each in named.found] == [tmp_path / "masks" / "a.png", None]
    beside = read_toml(make(subsets({"image_dir": "one"})), False)
    assert [each.mask for each in beside.found] == [None, tmp_path / "one" / "b-masklabel.png"]


def test_what_is_not_done_is_told_by_name(make):
    settings = subsets({"image_dir": "one", "color_aug": True, "flip_augg": True}, batch_size=4, enable_bucket=True)
    settings |= {"general": {"min_bucket_reso": 256}, "other": 1}
    layout = read_toml(make(settings), False)
    assert layout.problems == [] and layout.notes == [
        "dataset.toml: batch_size is ignored, data.batch_size in the settings counts",
        "dataset.toml: enable_bucket is ignored, data.buckets in the settings counts",
        "dataset.toml: color_aug, min_bucket_reso: ignored, this trainer has nothing of the kind",
        "dataset.toml: flip_augg is ignored, nothing is called so; did you mean flip_aug?",
        "dataset.toml: other is ignored, nothing is called so",
    ]


def test_no_repeats(make):
    layout = read_toml(make(subsets({"image_dir": "one", "num_repeats": 0}, {"image_dir": "two"})), False)
    assert [each.name for each in layout.found] == ["two/c.png"]
    assert layout.notes == ["one: its images are not used, num_repeats is 0"]


@pytest.mark.parametrize(
    ("subset", "problem"),
    [
        ({"image_dir": "none"}, "none: image_dir: got 'none', expected a folder that exists"),
        ({}, "a subset: image_dir: got '', expected a folder that exists"),
        ({"image_dir": 5}, "5: image_dir: got '5', expected text"),
        ({"image_dir": "one", "num_repeats": 1.5}, "one: num_repeats: got '1.5', expected a whole number from 0 up to 100000"),
        ({"image_dir": "one", "num_repeats": True}, "one: num_repeats: got 'True', expected a whole number"),
        ({"image_dir": "one", "num_repeats": 10**9}, "expected a whole number from 0 up to 100000"),
        ({"image_dir": "one", "keep_tokens": -1}, "one: keep_tokens: got '-1', expected a whole number from 0"),
        ({"image_dir": "one", "flip_aug": 1}, "one: flip_aug: got '1', expected true or false"),
        ({"image_dir": "one", "caption_dropout_rate": 2}, "expected a number from 0 up to 1"),
        ({"image_dir": "one", "caption_extension": "txt"}, "expected one such as '.txt'"),
        ({"image_dir": "one", "caption_extension": "./../x"}, "expected one such as '.txt'"),
        ({"image_dir": "one", "resolution": [1, 2, 3]}, "expected one or two whole numbers of px from 64 up to 2048"),
        ({"image_dir": "one", "metadata_file": "none"}, "metadata_file: got 'none', expected a file that exists"),
        ({"image_dir": "one", "metadata_file": "one/a.txt"}, "expected JSON with a caption or tags by image"),
        ({"image_dir": "one", "conditioning_data_dir": "none"}, "conditioning_data_dir: got 'none', expected a folder"),
    ],
)
def test_one_sentence_for_a_wrong_value(make, subset, problem):
    problems = read_toml(make(subsets(subset, {"image_dir": "two"})), False).problems
    assert problem in problems[0]


@pytest.mark.parametrize(
    "settings", ["", "[general]\n", "datasets = 5", "[datasets]", "[[datasets]]\nsubsets = [1]", "general = 1"]
)
def test_no_data_set_in_it(make, settings):
    assert "expected [" in read_toml(make(settings), False).problems[0]


@pytest.mark.parametrize("settings", ["half = [", "\0"])
def test_no_toml(make, settings):
    with pytest.raises(DatasetError, match="expected TOML in UTF-8"):
        read_toml(make(settings), False)


def test_a_hostile_name_leads_nowhere(make, hostile_name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    layout = read_toml(make(subsets({"image_dir": hostile_name})), False)
    assert layout.found == [] and len(layout.problems) == 1
    caption = read_toml(make(subsets({"image_dir": "one", "caption_extension": ".no", "class_tokens": hostile_name})), False)
    assert {each.caption for each in caption.found} == {" ".join(hostile_name.split())}


def test_each_image_says_in_which_file_its_caption_lies(make, tmp_path):
    def sources(**values):
        found = read_toml(make(subsets({"image_dir": "one", **values})), False).found
        return [each.source and each.source.relative_to(tmp_path / "one").name for each in found]

    assert sources(caption_extension=".words") == ["a.words", "b.words"]
    assert sources() == ["a.caption", None], "None: where find_caption finds it"
