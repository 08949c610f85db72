"""Judging: the base's losses are those in README, and a LoRA file changes both losses and pictures."""

import pytest
import torch
from diffusers import FluxPipeline
from peft import LoraConfig, get_peft_model_state_dict

from trainer.mini import MODEL
from trainer.mini.make.grid import load_pipeline
from trainer.mini.make.judge import OTHER_PROMPTS, ROBOT_PROMPTS, judge, main


@pytest.fixture
def lora(tmp_path):
    """A LoRA file with random weights."""
    transformer = load_pipeline(MODEL).transformer
    transformer.add_adapter(LoraConfig(r=2, target_modules=["to_q", "to_v"], init_lora_weights=False))
    FluxPipeline.save_lora_weights(tmp_path, get_peft_model_state_dict(transformer), weight_name="any.safetensors")
    return tmp_path / "any.safetensors"


def test_losses_and_pictures(font, lora, tmp_path):
    (_, base, before), (name, spoiled, after) = judge(MODEL, [lora], steps=2)
    assert base == pytest.approx({"own": 0.978, "unseen": 0.987, "others": 0.333}, abs=0.002)
    assert name == "any.safetensors"
    assert spoiled["others"] > base["others"] + 0.01
    assert len(before) == len(after) == len(ROBOT_PROMPTS) + len(OTHER_PROMPTS)
    assert all(old.tobytes() != new.tobytes() for old, new in zip(before, after, strict=True))


def test_the_base_is_itself_again_after_a_lora(font, lora, monkeypatch, capsys, tmp_path):
    main(tmp_path / "sheet.png", [lora, lora], steps=1)
    lines = [line.split(maxsplit=1)[1] for line in capsys.readouterr().out.splitlines()]
    assert lines[1] == lines[2] != lines[0]
    assert (tmp_path / "sheet.png").is_file()
    assert torch.is_grad_enabled()
