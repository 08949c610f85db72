"""What is said of settings that were taken over."""

from fluxgym.form.imported import Imported


def test_what_is_taken_later_counts_and_is_told_once() -> None:
    imported = Imported("x")
    imported.take("--a", "lora.rank", 4)
    imported.take("--b", "lora.rank", 8, "nearest")
    imported.leave("--c", "nothing here is like it")
    assert imported.values == {"lora.rank": 8}
    assert list(map(str, imported.taken)) == ["--b: lora.rank = 8 (nearest)"]
    assert list(map(str, imported.left)) == ["--c: nothing here is like it"]


def test_values_are_told_as_the_page_shows_them() -> None:
    imported = Imported("x")
    imported.take("--a", "train.gradient_checkpointing", True)
    imported.take("--b", "data.resolution", [512, 768])
    assert [str(taken).partition(" = ")[2] for taken in imported.taken] == ["all blocks", "512, 768"]
