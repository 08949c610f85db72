"""Glyphs: each subject has one, none is drawn that is kept away, a missing font is named."""

import pytest

from trainer.mini.make import subjects


def test_every_subject_is_a_picture_of_its_own(font):
    pictures = [subjects.draw_subject(name) for name in subjects.SUBJECTS]
    assert {picture.mode for picture in pictures} == {"RGBA"}
    assert min(min(picture.size) for picture in pictures) > 50
    assert len({picture.tobytes() for picture in pictures}) == len(pictures)


def test_the_autoencoder_sees_many_glyphs_but_none_that_is_kept_away(font):
    seen = {(picture.size, picture.tobytes()) for picture in subjects.draw_all_glyphs()}
    assert len(seen) > 1000
    for char in subjects.KEPT_AWAY:
        kept = subjects.draw_glyph(char)
        assert (kept.size, kept.tobytes()) not in seen


def test_a_code_point_without_ink_has_no_picture(font):
    assert subjects.draw_glyph(" ") is None


def test_no_subject_is_kept_away():
    assert not set(subjects.KEPT_AWAY) & set(subjects.SUBJECTS.values())


def test_a_missing_font_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr(subjects, "FONT", tmp_path / "none.ttf")
    with pytest.raises(subjects.FontError, match=r"none\.ttf, expected NotoColorEmoji\.ttf .*fonts-noto-color-emoji"):
        subjects.draw_glyph("\N{GRINNING FACE}")
