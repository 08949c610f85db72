"""What a run was set to, as far as its folder says it: our config.toml, ai-toolkit's config.yaml, or the metadata of a LoRA.

Names are ours where a setting of another tool means the same, so that runs of several tools can be compared.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from fluxgym.run.lora_file import read_header
from trainer.folder import RunFolder

OURS, AI_TOOLKIT, METADATA, NOTHING = "config.toml", "config.yaml", "metadata of a LoRA", ""
SAME = {  # what others call it: what we do
    "ss_unet_lr": "train.learning_rate",
    "ss_learning_rate": "train.learning_rate",
    "ss_num_epochs": "train.epochs",
    "ss_seed": "train.seed",
    "ss_lr_warmup_steps": "train.warmup_steps",
    "ss_lr_scheduler": "train.schedule",
    "ss_max_grad_norm": "train.max_grad_norm",
    "ss_timestep_sampling": "train.timesteps",
    "ss_discrete_flow_shift": "train.shift",
    "ss_sigmoid_scale": "train.sigmoid_scale",
    "ss_guidance_scale": "train.guidance",
    "ss_loss_type": "train.loss",
    "ss_huber_c": "train.huber_delta",
    "ss_huber_schedule": "train.huber_schedule",
    "ss_gradient_checkpointing": "train.gradient_checkpointing",
    "ss_batch_size_per_device": "data.batch_size",
    "ss_resolution": "data.resolution",
    "ss_network_dim": "lora.rank",
    "ss_network_alpha": "lora.alpha",
    "ss_sd_model_name": "model.base",
    "train.lr": "train.learning_rate",
    "train.lr_scheduler": "train.schedule",
    "train.timestep_type": "train.timesteps",
    "train.ema_config.ema_decay": "train.ema",
    "train.batch_size": "data.batch_size",
    "train.dtype": "model.dtype",
    "network.linear": "lora.rank",
    "network.linear_alpha": "lora.alpha",
    "model.name_or_path": "model.base",
    "trigger_word": "trigger",
    "datasets.0.folder_path": "data.folder",
    "datasets.0.resolution": "data.resolution",
}
# Other in each run, or a whole data set: they say nothing of what was chosen.
LEFT_OUT = {"name", "training_folder", "type", "ss_output_name", "ss_session_id", "ss_tag_frequency", "ss_bucket_info"}
LEFT_OUT |= {"ss_datasets", "ss_dataset_dirs", "ss_reg_dataset_dirs", "ss_steps", "ss_epoch", "ss_training_comment"}
LEFT_OUT |= {"ss_training_started_at", "ss_training_finished_at", "ss_new_sd_model_hash", "ss_sd_model_hash"}
LEFT_OUT |= {"ss_sd_scripts_commit_hash", "ss_new_vae_hash", "ss_vae_hash"}
UNREADABLE = (OSError, ValueError, TypeError, AttributeError, KeyError, IndexError, yaml.YAMLError)


@dataclass(frozen=True)
class Known:
    """The settings of a run by dotted name, and what said them; NOTHING where nobody does."""

    source: str = NOTHING
    values: Mapping[str, Any] = field(default_factory=dict)


def read_known(folder: RunFolder) -> Known:
    """What is known of a run's settings."""
    for source, read in ((OURS, _read_ours), (AI_TOOLKIT, _read_ai_toolkit), (METADATA, _read_metadata)):
        try:
            values = read(folder)
        except UNREADABLE:
            continue
        if values:
            named = {SAME.get(name, name): value for name, value in values.items() if name not in LEFT_OUT}
            return Known(source, named)
    return Known()


def _read_ours(folder: RunFolder) -> dict[str, Any]:
    return _flatten(tomllib.loads(folder.config.read_text(encoding="utf-8")))


def _read_ai_toolkit(folder: RunFolder) -> dict[str, Any]:
    said = yaml.safe_load((folder.path / AI_TOOLKIT).read_text(encoding="utf-8"))
    values = _flatten(said["config"]["process"][0])
    return {name: _parse(value) if isinstance(value, str) else value for name, value in values.items()}  # YAML: 1e-4 is a text


def _read_metadata(folder: RunFolder) -> dict[str, Any]:
    """Of the LoRA that was written last; kohya's trainers say all that they were set to."""
    newest = max(folder.path.glob("*.safetensors"), key=_modified)
    metadata = read_header(newest).metadata
    return {name: _parse(value) for name, value in metadata.items() if name.startswith("ss_") and value not in ("None", "")}


def _modified(path: Path) -> float:
    return path.stat().st_mtime


def _parse(value: str) -> Any:
    """A number or a choice, where the text is one; "(512, 512)" is 512."""
    if value in ("True", "False"):
        return value == "True"
    sides = {side.strip() for side in value.strip("()").split(",")} if value.startswith("(") else {value}
    text = sides.pop() if len(sides) == 1 else value
    try:
        number = float(text)
    except ValueError:
        return value
    return int(number) if number.is_integer() else number


def _flatten(settings: Any, before: str = "") -> dict[str, Any]:
    """Values by dotted name. A list of sections is numbered; any other list is a value."""
    if isinstance(settings, list) and settings and all(isinstance(each, dict) for each in settings):
        settings = {str(number): each for number, each in enumerate(settings)}
    if not isinstance(settings, dict):
        return {before.rstrip("."): settings}
    return {name: value for key, each in settings.items() for name, value in _flatten(each, f"{before}{key}.").items()}
