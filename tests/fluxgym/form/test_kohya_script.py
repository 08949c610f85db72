"""Scripts that start kohya's trainer, as they are found: FluxGym's own for Linux and Windows, and people's."""

import pytest

from fluxgym.form.kohya_script import ScriptError, read_file_of_options, read_script, shown

FLUXGYM = r"""accelerate launch \
  --mixed_precision bf16 \
  --num_cpu_threads_per_process 1 \
  sd-scripts/flux_train_network.py \
  --pretrained_model_name_or_path "/data/flux gym/models/unet/flux1-dev.sft" \
  --cache_latents_to_disk \
  --network_dim 4 \
  --optimizer_type adafactor \
  --optimizer_args "relative_step=False" "scale_parameter=False" \
  --max_grad_norm 0.0 \--sample_prompts="/data/outputs/cat/sample_prompts.txt" --sample_every_n_steps="250" \
  --learning_rate 8e-4
"""
WINDOWS = """@echo off
REM accelerate launch flux_train_network.py --network_dim 99
set MODELS=C:\\flux gym\\models
accelerate launch ^
  --mixed_precision bf16 ^
  sd-scripts\\flux_train_network.py ^
  --pretrained_model_name_or_path "%MODELS%\\unet\\flux1-dev.sft" ^
  --network_args "train_blocks=single" ^
  --network_dim 4 ^
  --learning_rate 8e-4 ^
"""
OWN = """#!/bin/bash
# python flux_train_network.py --network_dim 1
export MODEL="/models/a b.safetensors"
RANK=32
cd /workspace/sd-scripts && source venv/bin/activate
accelerate launch --num_processes=2 ./flux_train_network.py --pretrained_model_name_or_path="$MODEL" \\
    --network_dim=${RANK} --network-alpha=16 --shift -1.5 --seed 1 --seed 2  > log.txt 2>&1
echo done --network_dim 7
"""


def test_the_script_of_fluxgym() -> None:
    command = read_script(FLUXGYM)
    assert command.script == "flux_train_network.py"
    assert command.launcher == {"mixed_precision": ["bf16"], "num_cpu_threads_per_process": ["1"]}
    assert command.options == {
        "pretrained_model_name_or_path": ["/data/flux gym/models/unet/flux1-dev.sft"],
        "cache_latents_to_disk": [],
        "network_dim": ["4"],
        "optimizer_type": ["adafactor"],
        "optimizer_args": ["relative_step=False", "scale_parameter=False"],
        "max_grad_norm": ["0.0"],
        "sample_prompts": ["/data/outputs/cat/sample_prompts.txt"],
        "sample_every_n_steps": ["250"],
        "learning_rate": ["8e-4"],
    }
    assert read_script(FLUXGYM.replace("\n", "\r\n")) == command


def test_that_of_windows() -> None:
    command = read_script(WINDOWS)
    assert command.options["pretrained_model_name_or_path"] == ["C:\\flux gym\\models\\unet\\flux1-dev.sft"]
    assert command.options["network_args"] == ["train_blocks=single"]
    assert (command.options["network_dim"], command.options["learning_rate"]) == (["4"], ["8e-4"])
    assert command.launcher == {"mixed_precision": ["bf16"]}


def test_one_of_one_s_own_with_variables_comments_and_what_follows() -> None:
    command = read_script(OWN)
    assert command.launcher == {"num_processes": ["2"]}
    assert command.options == {
        "pretrained_model_name_or_path": ["/models/a b.safetensors"],
        "network_dim": ["32"],
        "network_alpha": ["16"],
        "shift": ["-1.5"],
        "seed": ["2"],
    }


def test_options_alone() -> None:
    command = read_script("\n--network_dim 8 --sdpa \\\n --seed 7\n")
    assert (command.script, command.options) == ("", {"network_dim": ["8"], "sdpa": [], "seed": ["7"]})


@pytest.mark.parametrize("text", ["", "echo hello", "\0", "'" * 99, "python main.py --x 1", "train\n" * 1000, "${" * 500])
def test_what_holds_no_command(text: str) -> None:
    with pytest.raises(ScriptError, match=r"expected one with flux_train_network\.py"):
        read_script(text)


def test_nothing_is_run(tmp_path: object) -> None:
    command = read_script(f"python flux_train_network.py --seed $(touch {tmp_path}/hacked) --x `id`")
    assert command.options["seed"] == ["$(touch", f"{tmp_path}/hacked)"]
    assert list(tmp_path.iterdir()) == []  # type: ignore[attr-defined]


def test_a_file_of_options() -> None:
    said = 'network_dim = 8\nsdpa = true\nxformers = false\nresume = ""\n[a]\noptimizer_args = ["x=1", "y=2"]\n[a.b]\nseed = 3'
    assert read_file_of_options(said) == {
        "network_dim": ["8"],
        "sdpa": [],
        "optimizer_args": ["x=1", "y=2"],
        "seed": ["3"],
    }


def test_secrets_are_not_shown() -> None:
    assert shown("huggingface_token", ["hf_abc"]) == "--huggingface_token ..."
    assert "hf_abc" not in shown("wandb_api_key", ["hf_abc"])
    assert shown("network_dim", ["4"]) == "--network_dim 4"
    assert shown("t5xxl_max_token_length", ["256"]) == "--t5xxl_max_token_length 256"
    assert len(shown("a", ["x" * 1000])) < 200
