"""LoRA files and states as tables; names are text."""

from pathlib import Path

import pytest
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


@pytest.mark.parametrize(
    ("every", "said"),
    [(4, "The first comes after epoch 4, the last at the end."), (0, "It comes at the end."), (16, "It comes at the end.")],
)
def test_when_the_first_lora_comes(outputs: Path, every: int, said: str) -> None:
    folder = RunFolder(outputs / "small")
    folder.path.mkdir()
    folder.config.write_text(f"[train]\nepochs = 16\n[save]\nevery_epochs = {every}\n", encoding="utf-8")
    assert AppTest.from_function(script).run().caption[0].value == f"None yet. {said}"


def test_files_and_states(outputs: Path) -> None:
    folder = RunFolder(outputs / "small")
    folder.path.mkdir()
    folder.config.touch()
    write_lora(folder.epoch_lora(4))
    folder.training_log.write_text(
        f"Epoch 4/8\nsteps:  50%|#####     | 40/80 [00:40<00:40,  1.00s/it, avr_loss=0.12]\n"
        f"Validation: loss 0.4321 at step 40\nSaving LoRA: {folder.epoch_lora(4)}\n",
        encoding="utf-8",
    )
    write_lora(folder.path / "<b>&.safetensors")
    write_state(folder.path, 7)
    (folder.epoch_state(9)).mkdir()
    page = AppTest.from_function(script).run()
    assert not page.exception
    loras, states = (part.proto.body for part in page.get("html"))
    assert "epoch 4" in loras
    assert "<td>40</td><td>0.4321</td>" in loras
    assert "Validation" not in states
    assert loras.count('class="rest"') == 9, "a head and two rows of what a phone has no room for"
    assert 'href="files/small/loras/small-000004.safetensors"' in loras
    assert "&lt;b&gt;&amp;.safetensors" in loras
    assert "%3Cb%3E%26.safetensors" in loras
    assert "small-step00000007-state" in states
    assert "state.json cannot be read" in states
