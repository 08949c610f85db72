"""LoRA files and states as tables; names are text."""

from pathlib import Path

from streamlit.testing.v1 import AppTest

from tests.small_training import write_lora, write_state
from trainer.folder import RunFolder


def script() -> None:
    from fluxgym.run.folders import find_run
    from fluxgym.ui import cards, checkpoint_list

    checkpoint_list.draw(cards.look_at(find_run("small")))


def test_nothing_yet(outputs: Path) -> None:
    folder = RunFolder(outputs / "small")
    folder.path.mkdir()
    folder.config.touch()
    page = AppTest.from_function(script).run()
    assert not page.exception
    assert [part.value.split(".")[0] for part in page.caption] == ["None yet", "None yet"]


def test_files_and_states(outputs: Path) -> None:
    folder = RunFolder(outputs / "small")
    folder.path.mkdir()
    folder.config.touch()
    write_lora(folder.epoch_lora(4))
    write_lora(folder.path / "<b>&.safetensors")
    write_state(folder.path, 7)
    (folder.epoch_state(9)).mkdir()
    page = AppTest.from_function(script).run()
    assert not page.exception
    loras, states = (part.proto.body for part in page.get("html"))
    assert "epoch 4" in loras
    assert 'href="files/small/loras/small-000004.safetensors"' in loras
    assert "&lt;b&gt;&amp;.safetensors" in loras
    assert "%3Cb%3E%26.safetensors" in loras
    assert "small-step00000007-state" in states
    assert "state.json cannot be read" in states
