"""Files of settings: found where another names them, and read as the text that they are."""

from pathlib import Path

import pytest

from fluxgym.form.imported import ImportFailed
from fluxgym.form.sources import LARGEST, Source, Sources, decode, read_source


def test_what_was_given_counts_before_what_is_on_this_machine(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text("here", encoding="utf-8")
    sources = Sources({"a.toml": Source("a.toml", "given")}, tmp_path)
    assert [source.text for named in ("a.toml", "/x/a.toml", "C:\\x\\a.toml") if (source := sources.find(named))] == [
        "given"
    ] * 3
    beside = Sources({}, tmp_path)
    assert [bool(beside.find(named)) for named in ("a.toml", "/no/a.toml", str(tmp_path / "a.toml"))] == [True] * 3
    for nothing in ("b.toml", "", "x" * 5000, "a\0b", str(tmp_path)):
        assert beside.find(nothing) is None


def test_encodings() -> None:
    for encoding in ("utf-8", "utf-8-sig", "utf-16"):
        assert decode("x", "caf\u00e9".encode(encoding)) == "caf\u00e9"
    assert decode("x", b"caf\xe9") == "caf\u00e9"


@pytest.mark.parametrize("data", [b"PK\3\4\0\0", b"\0" * 10, b"x" * (LARGEST + 1)])
def test_what_is_no_text_of_settings(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "x.sh").write_bytes(data)
    with pytest.raises(ImportFailed, match=r"expected a (config\.toml|file of settings)"):
        read_source(tmp_path / "x.sh")
    assert Sources({}, tmp_path).find("x.sh") is None


def test_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ImportFailed, match="cannot be read"):
        read_source(tmp_path / "no")
