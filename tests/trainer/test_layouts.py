"""Every form of a data set, read into the same list; what is wrong with it, and what of it is ignored, is told by name."""

import json

import pytest
from PIL import Image

from trainer.layouts import read_layout
from trainer.listing import DatasetError


@pytest.fixture
def make(tmp_path):
    """make({name: content}): a folder of images (None), texts, and lines of JSON (lists)."""

    def build(files):
        folder = tmp_path / "set"
        folder.mkdir(exist_ok=True)
        for number, (name, content) in enumerate(files.items()):
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if content is None:
                Image.new("RGB", (64, 64), (number, 0, 0)).save(path)
            elif isinstance(content, list):
                path.write_text("\n".join(json.dumps(line) for line in content) + "\n")
            else:
                path.write_text(content)
        return folder

    return build


def told(layout):
    return {found.name: (found.caption, found.repeats) for found in layout.found}


def test_a_plain_folder(make):
    layout = read_layout(make({"a.png": None, "a.txt": "one", "b.png": None, "b.caption": "two", "c.png": None, "d.txt": "?"}))
    assert told(layout) == {"a.png": ("one", None), "b.png": ("two", None), "c.png": ("", None)}
    assert layout.problems == ["d.txt: a caption without an image, expected an image called d beside it"]
    assert layout.notes == []


def test_folders_that_say_how_often(make):
    files = {"10_sks dog/a.png": None, "10_sks dog/a.txt": "a [trigger] dog", "10_sks dog/b.png": None, "3_my_cat/a.png": None}
    files |= {"0_none/a.png": None, "other/a.png": None, "5_empty/notes.md": "x", "7_lonely/b.png": None, "7_lonely/a.txt": "?"}
    layout = read_layout(make(files))
    assert told(layout) == {
        "10_sks dog/a.png": ("a [trigger] dog", 10),
        "10_sks dog/b.png": ("sks dog", 10),
        "3_my_cat/a.png": ("my_cat", 3),
        "7_lonely/b.png": ("lonely", 7),
    }
    assert layout.notes == ["0_none: its images are not used, it says 0 times"]
    assert layout.problems == ["7_lonely/a.txt: a caption without an image, expected an image called a beside it"]


def test_images_of_the_folder_itself_count_before_those_of_its_folders(make):
    """As it was before folders were looked into."""
    layout = read_layout(make({"a.png": None, "a.txt": "one", "10_old/b.png": None}))
    assert told(layout) == {"a.png": ("one", None)}
    assert layout.notes[0].endswith("set: its own images are used; those in 10_old and the like are ignored")


def test_nothing_but_zero_times(make):
    assert "got folders that all say 0 times" in read_layout(make({"0_a/a.png": None})).problems[0]


@pytest.mark.parametrize("key", ["text", "prompt", "caption"])
def test_metadata(make, key):
    rows = [{"file_name": "a.png", key: "a  cat\non a mat", "more": 1}, {"file_name": "in/b.png", key: "b"}]
    rows += [{"file_name": "c.png", key: "not this"}, {"file_name": "./d.png"}]
    files = {name: None for name in ("a.png", "in/b.png", "c.png", "d.png", "e.png")}
    folder = make({**files, "c.txt": "this", "e.txt": "e", "metadata.jsonl": rows})
    expected = {"a.png": "a cat on a mat", "c.png": "this", "d.png": "", "e.png": "e", "in/b.png": "b"}
    for place in (folder, folder / "metadata.jsonl"):
        layout = read_layout(place)
        assert layout.problems == [] and told(layout) == {name: (text, None) for name, text in expected.items()}


def test_metadata_keeps_the_ends_of_lines_that_json_allows_within_text(make):
    folder = make({"a.png": None})
    (folder / "metadata.jsonl").write_text('{"file_name": "a.png", "text": "one\u2028two\x85"}\r\n\n', encoding="utf-8")
    assert told(read_layout(folder)) == {"a.png": ("one two", None)}


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('{"file_name": "none.png", "text": "x"}', "got the file_name 'none.png', expected an image within "),
        ('{"file_name": "../out.png", "text": "x"}', "got the file_name '../out.png', expected an image within "),
        ('{"file_name": "in/../a.png", "text": "x"}', "expected an image within "),
        ('{"file_name": "notes.md", "text": "x"}', "got the file_name 'notes.md', expected an image (.png"),
        ('{"file_name": "a.png", "text": ["x"]}', "got ['x'] as the text of a.png, expected text"),
        ('{"text": "x"}', "expected an object with a file_name and a text"),
        ("[1]", "expected an object with a file_name"),
        ('{"file_name": 1}', "expected an object with a file_name"),
        ("half of {", "Expecting value"),
        ("[" * 100_000, ""),
    ],
)
def test_a_line_of_metadata_that_cannot_be_used(make, line, problem):
    folder = make({"a.png": None, "notes.md": "x"})
    Image.new("RGB", (64, 64)).save(folder.parent / "out.png")
    (folder / "metadata.jsonl").write_text(f'\n{{"file_name": "a.png", "text": "fine"}}\n{line}\n')
    layout = read_layout(folder)
    assert told(layout) == {"a.png": ("fine", None)}
    (said,) = layout.problems
    assert said.startswith("metadata.jsonl, line 3: ") and problem in said and len(said) < 400


def test_a_hostile_name_in_metadata_leads_nowhere(make, hostile_name):
    folder = make({"a.png": None, "metadata.jsonl": [{"file_name": hostile_name, "text": "x"}]})
    layout = read_layout(folder)
    assert told(layout) == {"a.png": ("", None)} and layout.problems[0].startswith("metadata.jsonl, line 1: got the file_name ")


def test_a_hostile_name_of_a_folder_is_a_name(make, hostile_name):
    name = f"10_{hostile_name}".replace("\0", "").replace("/", "_")[:200]
    layout = read_layout(make({f"{name}/a.png": None}))
    assert told(layout) == ({f"{name}/a.png": (" ".join(name[3:].split()), 10)} if name[3:] else {})


def test_metadata_that_is_no_text(make):
    folder = make({"a.png": None})
    (folder / "metadata.jsonl").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DatasetError, match=r"metadata\.jsonl cannot be read, expected UTF-8 text"):
        read_layout(folder)


def test_a_dataset_toml_in_the_folder_counts_where_there_are_no_images(make):
    toml = '[[datasets]]\n[[datasets.subsets]]\nimage_dir = "in"\nclass_tokens = "cat"\n'
    folder = make({"in/a.png": None, "dataset.toml": toml})
    assert told(read_layout(folder)) == {"in/a.png": ("cat", 1)} == told(read_layout(folder / "dataset.toml"))
    assert told(read_layout(make({"a.png": None}))) == {"a.png": ("", None)}


@pytest.mark.parametrize(("make_it", "part"), [(None, "got nothing at"), ("file", "got a file at")])
def test_a_place_that_is_none(tmp_path, make_it, part):
    path = tmp_path / "data"
    if make_it:
        path.touch()
    with pytest.raises(DatasetError, match=part):
        read_layout(path)
    path.unlink(missing_ok=True)
    path.mkdir()
    assert "got no image in" in read_layout(path).problems[0]
