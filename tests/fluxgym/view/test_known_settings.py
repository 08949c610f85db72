"""Settings as each tool leaves them in a run's folder, by our names where they mean the same."""

import json
import struct
from pathlib import Path

from fluxgym.view.known_settings import AI_TOOLKIT, METADATA, NOTHING, OURS, read_known
from trainer.config import dump_config, parse_config
from trainer.folder import RunFolder

KOHYA = {
    "ss_unet_lr": "0.0001",
    "ss_network_dim": "16",
    "ss_network_alpha": "8.0",
    "ss_resolution": "(512, 512)",
    "ss_gradient_checkpointing": "True",
    "ss_optimizer": "bitsandbytes.optim.adamw.AdamW8bit",
    "ss_max_grad_norm": "None",
    "ss_timestep_sampling": "flux_shift",
    "ss_discrete_flow_shift": "3.1582",
    "ss_loss_type": "l2",
    "ss_session_id": "123",
    "modelspec.title": "x",
}
JOB = """
job: extension
config:
  name: x
  process:
  - type: sd_trainer
    training_folder: /x
    trigger_word: p3r5on
    network: {type: lora, linear: 16, linear_alpha: 16}
    datasets:
    - {folder_path: /data/robot, resolution: [512, 768]}
    train: {batch_size: 1, steps: 2000, lr: 1e-4, optimizer: adamw8bit, timestep_type: sigmoid, ema_config: {ema_decay: 0.99}}
    model: {name_or_path: black-forest-labs/FLUX.1-dev}
"""


def write_lora(path: Path, metadata: dict[str, str]) -> None:
    tensor = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}
    header = json.dumps({"__metadata__": metadata, "a.lora_down.weight": tensor}).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header + bytes(4))


def test_ours(tmp_path: Path) -> None:
    settings = {"name": "a", "model": {"base": "x"}, "data": {"folder": "y"}, "lora": {"rank": 4}}
    (tmp_path / "config.toml").write_text(dump_config(parse_config(settings)))
    known = read_known(RunFolder(tmp_path))
    assert known.source == OURS
    assert (known.values["lora.rank"], known.values["data.folder"], known.values["sample.prompts"]) == (4, "y", [])
    assert "name" not in known.values


def test_kohya_in_our_names(tmp_path: Path) -> None:
    write_lora(tmp_path / "x.safetensors", KOHYA)
    known = read_known(RunFolder(tmp_path))
    assert known.source == METADATA
    assert known.values == {
        "train.learning_rate": 0.0001,
        "lora.rank": 16,
        "lora.alpha": 8,
        "data.resolution": 512,
        "train.gradient_checkpointing": True,
        "ss_optimizer": "bitsandbytes.optim.adamw.AdamW8bit",
        "train.timesteps": "flux_shift",
        "train.shift": 3.1582,
        "train.loss": "l2",
    }


def test_ai_toolkit_in_our_names(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(JOB)
    known = read_known(RunFolder(tmp_path))
    assert known.source == AI_TOOLKIT
    assert known.values["lora.rank"] == 16
    assert known.values["data.folder"] == "/data/robot"
    assert known.values["data.resolution"] == [512, 768]
    assert known.values["trigger"] == "p3r5on"
    assert known.values["train.learning_rate"] == 1e-4
    assert [known.values[f"train.{name}"] for name in ("optimizer", "timesteps", "ema")] == ["adamw8bit", "sigmoid", 0.99]


def test_nothing_is_known_of_what_cannot_be_read(tmp_path: Path) -> None:
    assert read_known(RunFolder(tmp_path)).source == NOTHING
    (tmp_path / "config.toml").write_text("name =")
    (tmp_path / "config.yaml").write_text("- [")
    (tmp_path / "x.safetensors").write_bytes(b"no header")
    assert read_known(RunFolder(tmp_path)) == read_known(RunFolder(tmp_path / "none"))
