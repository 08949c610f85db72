"""The grid of samples: prompts and columns, empty cells, nothing for a run that draws none."""

import re
from pathlib import Path

import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from trainer.folder import RunFolder


def script() -> None:
    from fluxgym.run.folders import find_run
    from fluxgym.ui import cards, sample_grid

    look = cards.look_at(find_run("small"))
    sample_grid.draw_recent(look, 3)
    sample_grid.draw_all(look)


@pytest.fixture
def folder(outputs: Path) -> RunFolder:
    made = RunFolder(outputs / "small")
    made.samples.mkdir(parents=True)
    made.config.write_text('name = "small"\n', encoding="utf-8")
    return made


def test_a_run_without_prompts(folder: RunFolder) -> None:
    page = AppTest.from_function(script).run()
    assert not page.exception
    assert not page.get("html")
    assert page.caption[0].value == "This run draws no samples: its settings have no prompts."


def test_some_of_the_columns_and_all_of_them(folder: RunFolder) -> None:
    folder.config.write_text('name = "small"\n[sample]\nprompts = ["a cat", "a dog"]\n', encoding="utf-8")
    for epoch in range(7):
        Image.new("RGB", (64, 64)).save(folder.samples / f"small_e{epoch:06d}_00_2026112410150{epoch}_42.png")
    (folder.samples / "small_e000006_01_20261124101507_43.png").write_bytes(b"not whole yet")
    page = AppTest.from_function(script).run()
    assert not page.exception
    few, every = (part.proto.body for part in page.get("html"))
    assert few.count('scope="col"') < every.count('scope="col"') == 7
    drawn, all_drawn = (re.findall(r'scope="col">([^<]+)<', html) for html in (few, every))
    assert drawn == ["base model", *sorted(drawn[1:])] and drawn[-1] == "epoch 6", "as it learned"
    assert all_drawn == ["base model", *(f"epoch {epoch}" for epoch in range(6, 0, -1))], "the newest in view"
    assert every.count("<img ") == 7
    assert every.count('class="cell"') == 14
    assert "a dog<small>seed 43</small>" in every
