"""A run that is done, with two LoRA files and samples, and a Hub on the loopback with a token for it."""

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from tests.fluxgym.publish.hub import TOKEN, Hub
from trainer.config import dump_config, load_config
from trainer.folder import RunFolder
from trainer.mini import DEMO

SECRET = "hf_plantedInAPrompt1234567890abcdefgh"


@pytest.fixture
def folder(outputs):
    folder = RunFolder(outputs / "robot")
    folder.samples.mkdir(parents=True)
    config = load_config(DEMO)
    prompts = ["a sks robot | on [a] hill", f"a robot with {SECRET}"]
    sample = config.sample.model_copy(update={"prompts": prompts})
    folder.config.write_text(dump_config(config.model_copy(update={"name": "robot", "sample": sample})))
    folder.training_log.write_text(
        "Epoch 1/2\nsteps:  50%|#####     | 1/2 [00:01<00:01, 1.0s/it, loss=0.1]\nTraining finished\n"
    )
    pair = {f"transformer.transformer_blocks.0.attn.to_q.lora_{half}.weight": torch.zeros(4, 4) for half in "AB"}
    for name in ("robot.safetensors", "robot-000001.safetensors"):
        save_file(pair | {"x": torch.full((100_000,), len(name))}, folder.path / name, {"ss_steps": "2"})
    for number in range(2):
        Image.new("RGB", (32, 32), "teal").save(folder.samples / f"robot_e000002_0{number}_20261128101502_42.png")
    folder.share.write_text('{"links": "hashes"}')
    state = folder.path / "robot-2-state"
    state.mkdir()
    (state / "state.json").write_text("{}")
    return folder


@pytest.fixture
def hub(monkeypatch, tmp_path):
    hub = Hub()
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    yield hub
    hub.shutdown()
    hub.server_close()
