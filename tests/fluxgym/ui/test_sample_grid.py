"""What the page is told of the samples: where they are listed and in which version, whatever their number."""

import json
from pathlib import Path

import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from fluxgym.run.record import Verdict, begin_attempt, write_record
from fluxgym.ui.sample_grid import read_parts
from trainer.folder import RunFolder


def script() -> None:
    from fluxgym.run.folders import find_run
    from fluxgym.ui import cards, sample_grid

    look = cards.look_at(find_run("small"))
    sample_grid.draw_recent(look, 3)
    sample_grid.draw_all(look)


def sent(page: AppTest) -> list[dict]:
    assert not page.exception
    return [json.loads(part.proto.json) for part in page.get("bidi_component")]


@pytest.fixture
def folder(outputs: Path) -> RunFolder:
    made = RunFolder(outputs / "small")
    made.samples.mkdir(parents=True)
    made.config.write_text('name = "small"\n', encoding="utf-8")
    return made


def test_a_run_without_prompts(folder: RunFolder) -> None:
    page = AppTest.from_function(script).run()
    assert not sent(page)
    assert page.caption[0].value == "This run draws no samples: its settings have no prompts."


def test_before_the_first_samples(folder: RunFolder) -> None:
    folder.config.write_text('name = "small"\n[sample]\nprompts = ["a cat"]\n', encoding="utf-8")
    page = AppTest.from_function(script).run()
    assert len(sent(page)) == 2, "its prompts are shown"
    assert "the first are drawn before the first step" in page.caption[0].value


def test_nothing_is_promised_that_will_not_come(folder: RunFolder) -> None:
    folder.config.write_text('name = "small"\n[sample]\nprompts = ["a cat"]\n', encoding="utf-8")
    folder.training_log.write_text("steps:  50%|#####     | 20/40 [01:00<01:00,  3.00s/it, avr_loss=0.12]\n", encoding="utf-8")
    assert AppTest.from_function(script).run().caption[0].value == "No samples yet."
    write_record(folder, begin_attempt(folder, None, ["x"]).to("stopped", verdict=Verdict("stopped", "Stopped by you.")))
    assert AppTest.from_function(script).run().caption[0].value == "No samples were drawn."


def test_the_same_few_bytes_for_one_sample_and_for_hundreds(folder: RunFolder) -> None:
    folder.config.write_text('name = "small"\n[sample]\nprompts = ["a cat", "a dog"]\n', encoding="utf-8")
    Image.new("RGB", (64, 64)).save(folder.samples / "small_e000000_00_20261124101500_42.png")
    few, every = sent(AppTest.from_function(script).run())
    assert (few["most"], every["most"]) == (3, 0)
    assert few["version"] == every["version"]
    for epoch in range(1, 200):
        (folder.samples / f"small_e{epoch:06d}_00_2026112410{epoch:04d}_42.png").write_bytes(b"x")
    page = AppTest.from_function(script).run()
    later, _ = sent(page)
    assert later["version"] != few["version"]
    assert len(json.dumps(later)) == len(json.dumps(few))
    assert not folder.thumbnails.exists(), "none is made by looking at the page"


def test_scripts_are_read_as_one() -> None:
    assert read_parts("viewer.js", "sample_grid.js").index("openViewer") < read_parts("viewer.js", "sample_grid.js").index(
        "export"
    )
