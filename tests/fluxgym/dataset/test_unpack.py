"""A zip: what people and their systems make, and what somebody makes who means harm."""

import io
import stat
import struct
import zipfile
from pathlib import Path

import pytest

from fluxgym.dataset import incoming, unpack
from fluxgym.dataset.incoming import Refused
from fluxgym.dataset.unpack import Unpacked
from tests.fluxgym.dataset.test_incoming import picture

ZEROS = b"\0" * 2**20


@pytest.fixture
def place(outputs: Path) -> Path:
    folder = outputs.parent / "datasets" / "cat"
    folder.mkdir(parents=True)
    return folder


def pack(target: Path, files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(target, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name) if method == 0 else name, data)
    return target


def names(place: Path) -> list[str]:
    return sorted(path.relative_to(place).as_posix() for path in place.rglob("*") if path.is_file())


def count(done: Unpacked, outcome: str) -> int:
    return sum(each.outcome == outcome for each in done.taken)


def test_what_people_pack(place: Path, tmp_path: Path) -> None:
    files = {
        "my cats/": b"",
        "my cats/A 1.PNG": picture("red"),
        "my cats/A 1.txt": "\u00fcber".encode("latin-1"),
        "my cats/more/b.jpg": picture("blue", "JPEG"),
        "__MACOSX/my cats/._A 1.PNG": b"junk",
        "my cats/.DS_Store": b"junk",
        "my cats/notes.docx": b"PK",
    }
    done = unpack.unpack(place, pack(tmp_path / "a.zip", files))
    assert names(place) == ["A_1.png", "A_1.txt", "b.jpg"]
    assert (place / "A_1.txt").read_text(encoding="utf-8") == "\u00fcber\n"
    assert [each.note for each in done.taken if each.note] == ["my cats/A 1.txt was written in Windows-1252, it is UTF-8 now"]
    assert len(done.refused) == 1 and "notes.docx" in done.refused[0]
    again = unpack.unpack(place, tmp_path / "a.zip")
    assert count(again, "same") == 3


def test_kohya_s_folders_stay(place: Path, tmp_path: Path) -> None:
    unpack.unpack(place, pack(tmp_path / "a.zip", {"img/10_sks cat/a.png": picture(), "img/10_sks cat/a.txt": b"one"}))
    assert names(place) == ["10_sks_cat/a.png", "10_sks_cat/a.txt"]


@pytest.mark.parametrize("name", ["../x.png", "/x.png", "a/../../x.png", "..\\x.png", "C:\\x.png", "C:x.png"])
def test_a_name_that_leads_out_is_refused_and_the_rest_taken(place: Path, tmp_path: Path, name: str) -> None:
    before = set(tmp_path.rglob("*")) | set(place.parent.parent.rglob("*"))
    done = unpack.unpack(place, pack(tmp_path / "a.zip", {name: picture(), "b.png": picture("red")}))
    (told,) = done.refused
    assert told.endswith(": got a name that leads out of the zip")
    assert set(place.parent.parent.rglob("*")) | set(tmp_path.rglob("*")) == before | {tmp_path / "a.zip", place / "b.png"}


def test_a_link_is_refused(place: Path, tmp_path: Path) -> None:
    link = zipfile.ZipInfo("a.png")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(link, "/etc/passwd")
    assert unpack.unpack(place, tmp_path / "a.zip").refused == ["a.png: got a link, expected a file"]
    assert names(place) == []


def test_a_bomb_is_refused_before_anything_is_unpacked(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpack, "FREE_SIZE", 16 * 2**20)
    bomb = pack(tmp_path / "a.zip", {f"{number}.png": ZEROS for number in range(40)})
    with pytest.raises(Refused, match=r"got a zip of 0\.0 MiB that unpacks to 40 MiB, expected at most 100 times its size"):
        unpack.unpack(place, bomb)
    assert names(place) == []


def test_a_file_of_a_bomb_is_too_large_by_itself(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(incoming, "LARGEST", 2**19)
    done = unpack.unpack(place, pack(tmp_path / "a.zip", {"a.png": ZEROS, "b.png": picture()}))
    assert done.refused == ["a.png: got 1 MiB, expected at most 0 MiB"] and names(place) == ["b.png"]


def test_no_more_is_written_than_an_entry_says(place: Path, tmp_path: Path) -> None:
    """One that says 100 bytes and holds a megabyte."""
    data = bytearray(pack(tmp_path / "a.zip", {"a.png": ZEROS}).read_bytes())
    for mark, offset in ((b"PK\1\2", 24), (b"PK\3\4", 22)):
        struct.pack_into("<L", data, data.index(mark) + offset, 100)
    (tmp_path / "a.zip").write_bytes(data)
    (told,) = unpack.unpack(place, tmp_path / "a.zip").refused
    assert "a.png: it cannot be unpacked" in told and names(place) == []


def test_too_many_files_and_too_long_a_list(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    full = pack(tmp_path / "a.zip", {f"{number}.png": b"" for number in range(30)})
    monkeypatch.setattr(unpack, "MOST_FILES", 20)
    with pytest.raises(Refused, match="got a zip of 30 files, expected at most 20"):
        unpack.unpack(place, full)
    monkeypatch.setattr(unpack, "LARGEST_LIST", 1000)
    with pytest.raises(Refused, match="whose list of files takes"):
        unpack.unpack(place, full)


def test_one_with_a_password_and_a_zip_in_a_zip_are_named(place: Path, tmp_path: Path) -> None:
    inner = pack(tmp_path / "inner.zip", {"a.png": picture()}).read_bytes()
    data = bytearray(pack(tmp_path / "a.zip", {"secret.png": picture(), "inner.zip": inner}).read_bytes())
    for mark, offset in ((b"PK\1\2", 8), (b"PK\3\4", 6)):
        struct.pack_into("<H", data, data.index(mark) + offset, 1)
    (tmp_path / "a.zip").write_bytes(data)
    assert unpack.unpack(place, tmp_path / "a.zip").refused == [
        "secret.png: got a file with a password, expected one without",
        "inner.zip: got a zip in a zip, expected its files themselves",
    ]


def test_names_that_differ_in_case_and_names_that_are_the_same(place: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        for name, colour in (("Cat.png", "red"), ("cat.png", "blue"), ("cat.png", "green")):
            archive.writestr(name, picture(colour))
        archive.writestr("cat.txt", "blue")
    assert count(unpack.unpack(place, tmp_path / "a.zip"), "added") == 4
    assert names(place) == ["Cat.png", "cat-2-2.png", "cat-2.png", "cat-2.txt"]


@pytest.mark.parametrize("cut", [0, 10, 60, -30, -3])
def test_a_zip_that_is_none_or_was_cut_off_is_named(place: Path, tmp_path: Path, cut: int) -> None:
    whole = pack(tmp_path / "a.zip", {"a.png": picture(), "b.png": picture("red")}).read_bytes()
    (tmp_path / "a.zip").write_bytes(whole[:cut])
    with pytest.raises(Refused, match=r"no zip, or not a whole one|cannot be read"):
        unpack.unpack(place, tmp_path / "a.zip")
    (tmp_path / "a.zip").write_bytes(b"<html>" * 20)
    with pytest.raises(Refused, match="no zip"):
        unpack.unpack(place, tmp_path / "a.zip")


def test_a_damaged_file_in_it_is_named_and_the_rest_taken(place: Path, tmp_path: Path) -> None:
    data = bytearray(pack(tmp_path / "a.zip", {"a.png": picture(), "b.png": picture("red")}, 0).read_bytes())
    data[data.index(b"IDAT") + 6] ^= 0xFF
    (tmp_path / "a.zip").write_bytes(data)
    done = unpack.unpack(place, tmp_path / "a.zip")
    assert [told.partition(":")[0] for told in done.refused] == ["a.png"] and names(place) == ["b.png"]


def test_what_is_there_with_another_content_is_left_replaced_or_kept_beside(place: Path, tmp_path: Path) -> None:
    for name, data in (("a.png", picture("red")), ("a.txt", b"mine\n"), ("b.png", picture("blue"))):
        (place / name).write_bytes(data)
    archive = pack(tmp_path / "a.zip", {"a.png": picture("green"), "a.txt": b"mine", "b.png": picture("blue")})
    done = unpack.unpack(place, archive)
    assert [each.outcome for each in done.taken] == ["differs", "same", "differs"], "the caption stays with its image"
    assert (place / "a.png").read_bytes() == picture("red")
    unpack.unpack(place, archive, is_beside=True)
    assert names(place) == ["a-2.png", "a-2.txt", "a.png", "a.txt", "b.png"]
    assert ((place / "a-2.png").read_bytes(), (place / "a-2.txt").read_text()) == (picture("green"), "mine\n")
    unpack.unpack(place, archive, replaces=True)
    assert (place / "a.png").read_bytes() == picture("green")


def test_a_zip_of_more_than_4_gb_says_so_elsewhere(tmp_path: Path, place: Path) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("a.png", picture())
    data = out.getvalue()
    at = data.rindex(b"PK\5\6")
    length, offset = struct.unpack_from("<LL", data, at + 12)
    record = struct.pack("<4sQHHLLQQQQ", b"PK\6\6", 44, 45, 45, 0, 0, 1, 1, length, offset)
    locator = struct.pack("<4sLQL", b"PK\6\7", 0, at, 1)
    end = struct.pack("<4sHHHHLLH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    (tmp_path / "a.zip").write_bytes(data[:at] + record + locator + end)
    assert count(unpack.unpack(place, tmp_path / "a.zip"), "added") == 1


def test_a_method_that_takes_as_much_memory_as_a_file_says_is_refused(place: Path, tmp_path: Path) -> None:
    done = unpack.unpack(place, pack(tmp_path / "x.zip", {"a.txt": b"a cat"}, zipfile.ZIP_LZMA))
    assert not done.taken and "a.txt: got a file packed by method 14" in done.refused[0]
    assert unpack.unpack(place, pack(tmp_path / "y.zip", {"a.txt": b"a cat"}, zipfile.ZIP_BZIP2)).taken


def test_the_caption_of_an_image_that_stays_out_does_not_become_another_s(place: Path, tmp_path: Path) -> None:
    (place / "a.png").write_bytes(picture("red"))
    archive = pack(tmp_path / "a.zip", {"a.txt": b"green", "a.png": picture("green"), "a-masklabel.png": picture("white")})
    done = unpack.unpack(place, archive)
    assert [each.outcome for each in done.taken] == ["differs"] * 3 and names(place) == ["a.png"]
    unpack.unpack(place, archive, is_beside=True)
    assert names(place) == ["a-2-masklabel.png", "a-2.png", "a-2.txt", "a.png"]


def test_what_a_metadata_jsonl_says_goes_with_its_images(place: Path, tmp_path: Path) -> None:
    told = b'{"file_name": "a 1.png", "text": "one"}\n{"file_name": "b.png", "text": "not this"}'
    files = {"x/metadata.jsonl": told, "x/a 1.png": picture("red"), "x/b.png": picture("blue"), "x/b.txt": b"two"}
    done = unpack.unpack(place, pack(tmp_path / "a.zip", files))
    assert done.refused == [] and names(place) == ["a_1.png", "a_1.txt", "b.png", "b.txt"]
    assert [(place / name).read_text() for name in ("a_1.txt", "b.txt")] == ["one\n", "two\n"]
