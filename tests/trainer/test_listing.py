"""What lies in a data set's folder, by name."""

import pytest

from trainer.listing import Files, find_caption, find_mask, list_files, read_caption


@pytest.mark.parametrize("suffix", [".txt", ".TXT", ".Txt", ".tXt", ".caption"])
def test_a_caption_is_found_in_any_case(make_folder, suffix):
    folder = make_folder({"a.png": None})
    (folder / f"a{suffix}").write_text("a cat")
    assert find_caption(folder / "a.png") == folder / f"a{suffix}" and find_caption(folder / "b.png") == folder / "b.txt"
    (folder / "a.png").rename(folder / "b.png")
    assert list_files(folder) == Files([folder / "b.png"], [folder / f"a{suffix}"])


def test_a_txt_counts_before_a_caption(make_folder):
    folder = make_folder({"a.png": "one"})
    (folder / "a.caption").write_text("two")
    assert read_caption(find_caption(folder / "a.png")) == "one"


def test_hidden_files_folders_and_masks_are_no_images(make_folder):
    folder = make_folder({"b.png": "x", "a.JPG": "x", "b-masklabel.png": None, "-masklabel.png": None})
    for name in ("._b.png", "._b.txt", ".DS_Store", "notes.md"):
        (folder / name).write_bytes(b"\0")
    (folder / "c.png").mkdir()
    assert list_files(folder) == Files([folder / "a.JPG", folder / "b.png"], [])
    assert find_mask(folder / "b.png") == folder / "b-masklabel.png" and find_mask(folder / "a.JPG") is None


def test_a_caption_is_one_line(tmp_path):
    (tmp_path / "a.txt").write_bytes("\ufeff a  cat\r\non a mat\n".encode())
    assert read_caption(tmp_path / "a.txt") == "a cat on a mat" and read_caption(tmp_path / "none.txt") == ""
    (tmp_path / "b.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match=r"its caption b\.txt cannot be read, expected UTF-8 text"):
        read_caption(tmp_path / "b.txt")


def test_a_caption_that_is_no_text_or_far_too_long_is_named(make_folder):
    folder = make_folder({"a.png": "one"})
    for data, told in [(b"a\0cat", "holds zero bytes"), (b"cat " * 2**18, "has 1,048,576 bytes, expected at most 65,536")]:
        (folder / "a.txt").write_bytes(data)
        with pytest.raises(ValueError, match=rf"its caption a\.txt {told}"):
            read_caption(folder / "a.txt")
