"""A message says how the run is, what can be done, its last lines, and has the newest sample; all of bounded size."""

import pytest
from PIL import Image

from fluxgym.notify import message
from fluxgym.notify.message import compose, newest_picture
from fluxgym.run.tell import EVENTS
from trainer.folder import RunFolder


def test_a_failure(failed_run):
    said = compose(failed_run, "failed")
    assert said.title == "small: failed"
    first, *_ = said.body.splitlines()
    assert "at step 12 of 20" in first
    assert "Nothing was saved yet: Resume begins at the beginning" in first
    assert "steps:  12%|#| 12/20" in said.body
    assert " 3/20" not in said.body  # ten lines, of which one is the last
    assert said.body.splitlines()[-1].startswith("it broke xxx")
    assert said.picture.read_bytes() == b"new"


@pytest.mark.parametrize("event", EVENTS)
def test_each_event_has_a_message_that_every_service_takes(failed_run, event):
    with failed_run.training_log.open("a") as file:
        file.write("\n".join("y" * 5000 for _ in range(20)))
    said = compose(failed_run, event)
    assert said.title.startswith("small: ")
    assert 0 < len(said.body) <= 2000


def test_an_unknown_event(failed_run):
    with pytest.raises(ValueError, match="got the event 'x', expected one of completed, failed"):
        compose(failed_run, "x")


def test_a_run_that_left_nothing(tmp_path):
    said = compose(RunFolder(tmp_path / "gone"), "lost")
    assert (said.title, said.picture) == ("gone: lost", None)
    assert said.body


def test_trouble_with_the_rest_keeps_no_news_back(failed_run, monkeypatch):
    monkeypatch.setattr(message, "summarise", None)
    said = compose(failed_run, "failed")
    assert (said.title, said.body) == ("small: failed", "No more can be told: TypeError.")


def test_a_large_picture_is_sent_small(failed_run, monkeypatch):
    large = failed_run.samples / "small_000006_00_20261124100200_42.png"
    Image.effect_noise((900, 600), 90).save(large)
    assert newest_picture(failed_run) == large
    monkeypatch.setattr(message, "PICTURE", 1000)
    small = newest_picture(failed_run)
    assert small.suffix == ".webp"
    assert small.stat().st_size < large.stat().st_size
