"""`python -m trainer convert`: there and back, and what it says of files that it cannot use."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from trainer.convert import FORMS, convert, main
from trainer.flux1 import Flux1
from trainer.formats import Pair
from trainer.lora_file import About, Style, describe_lora, export_lora
from trainer.lora_reader import LoraError

ROOT = Path(__file__).parent.parent.parent
SAID = describe_lora(About("robot", "", 512, 4, "flux-1-dev", "flux1", 3, 120))


@pytest.fixture
def lora(transformer, tmp_path):
    """A file of ours with a LoRA of rank 4 on every linear of flux-mini."""
    generator = torch.Generator().manual_seed(7)
    layers = {
        name: Pair(
            torch.randn(4, module.in_features, generator=generator), torch.randn(module.out_features, 4, generator=generator)
        )
        for name, module in transformer.named_modules()
        if isinstance(module, torch.nn.Linear)
    }
    path = tmp_path / "lora.safetensors"
    export_lora(path, layers, Style(Flux1, "diffusers", torch.float32), SAID)
    return path


@pytest.mark.parametrize("form", FORMS)
def test_the_file_comes_back_byte_for_byte(lora, tmp_path, form):
    """From our own form over any other."""
    there, back = tmp_path / "there.safetensors", tmp_path / "back.safetensors"
    convert(lora, there, form)
    read = convert(there, back, "diffusers")
    assert len(read.layers) == 2 * 14 + 5 * 6 + 10 and not read.is_rounded
    assert lora.read_bytes() == back.read_bytes()
    with safe_open(there, "pt") as file:
        assert file.metadata().items() >= SAID.items()


def test_numbers_of_another_type(lora, tmp_path):
    out = tmp_path / "out.safetensors"
    assert main([str(lora), str(out), "--to", "kohya", "--dtype", "bf16"]) == 0
    kinds = {tensor.dtype for name, tensor in load_file(out).items() if not name.endswith(".alpha")}
    assert kinds == {torch.bfloat16}


def test_text_encoders_and_rounding_are_told(tmp_path, capsys):
    module, text = "lora_unet_single_blocks_0_linear2", "lora_te1_text_model_encoder_layers_0_mlp_fc1"
    tensors = {f"{text}.alpha": torch.tensor(1.0)}
    for name in (module, text):
        tensors |= {
            f"{name}.lora_down.weight": torch.ones(3, 40).bfloat16(),
            f"{name}.lora_up.weight": torch.ones(8, 3).bfloat16(),
        }
    save_file(tensors | {f"{module}.alpha": torch.tensor(1.0)}, tmp_path / "in.safetensors")
    assert main([str(tmp_path / "in.safetensors"), str(tmp_path / "out.safetensors"), "--to", "diffusers"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert "WARNING left out: 1 modules of text encoders" in said[0] and "--dtype fp32 keeps them" in said[1]
    assert f"{tmp_path / 'out.safetensors'}: FLUX.1, 1 modules" in said[2]
    main([str(tmp_path / "in.safetensors"), str(tmp_path / "wide.safetensors"), "--to", "diffusers", "--dtype", "fp32"])
    kept = load_file(tmp_path / "wide.safetensors")["transformer.single_transformer_blocks.0.proj_out.lora_B.weight"]
    assert kept[0, 0].item() == pytest.approx(1 / 3, rel=1e-6)
    assert "rounded" not in capsys.readouterr().out


@pytest.mark.parametrize("target", ["x.pt", "lora.safetensors", "nowhere/x.safetensors"])
def test_a_target_that_cannot_be(lora, tmp_path, capsys, target):
    assert main([str(lora), str(tmp_path / target), "--to", "bfl"]) == 2
    assert "expected another file than" in capsys.readouterr().out


def test_a_source_that_cannot_be(tmp_path, capsys):
    source = tmp_path / "sdxl.safetensors"
    save_file({"lora_unet_down_blocks_0_x.lora_down.weight": torch.ones(2, 2)}, source)
    assert main([str(source), str(tmp_path / "x.safetensors"), "--to", "bfl"]) == 2
    assert "Stable Diffusion 1.5 or SDXL" in capsys.readouterr().out
    assert not (tmp_path / "x.safetensors").exists()
    with pytest.raises(LoraError, match="no such file"):
        convert(tmp_path / "none.safetensors", tmp_path / "x.safetensors", "bfl")


def test_as_a_command(lora, tmp_path):
    command = [sys.executable, "-m", "trainer", "convert", str(lora), str(tmp_path / "x.safetensors"), "--to", "kohya"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(done.stdout.splitlines()) == 1 and "FLUX.1, 68 modules" in done.stdout
    assert all(name.startswith("lora_unet_") for name in load_file(tmp_path / "x.safetensors"))
    wrong = subprocess.run([*command[:-1], "a1111"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert wrong.returncode == 2 and "invalid choice: 'a1111'" in wrong.stderr
