"""The LoRA: where it sits, its first weights, and a file that every tool loads."""

import copy
import json
import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from diffusers import FluxTransformer2DModel
from safetensors import safe_open
from safetensors.torch import load_file

from trainer.config import Lora
from trainer.flow import Batch, compute_loss, draw_noise
from trainer.flux1 import Flux1
from trainer.lora import About, add_lora, describe_lora, export_lora, find_targets, read_epoch, serialise

ABOUT = About(
    name="robot",
    trigger="sks robot",
    resolution=512,
    rank=4,
    architecture="flux-1-dev",
    base_version="flux1",
    epoch=3,
    step=120,
)
# FLUX.1-dev as its transformer/config.json says
FLUX_DEV = {
    "patch_size": 1,
    "in_channels": 64,
    "num_layers": 19,
    "num_single_layers": 38,
    "attention_head_dim": 128,
    "num_attention_heads": 24,
    "joint_attention_dim": 4096,
    "pooled_projection_dim": 768,
    "guidance_embeds": True,
}


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(5)
    shapes = [(2, 16, 8, 8), (2, 24, 96), (2, 64)]
    latents, txt, pooled = (torch.randn(*shape, generator=generator) for shape in shapes)
    return Batch(latents, {"txt": txt, "pooled": pooled})


@pytest.fixture(scope="module")
def flux_dev():
    """The full size, without its weights."""
    with torch.device("meta"):
        return FluxTransformer2DModel(**FLUX_DEV)


def learn_something(weights):
    for number, (name, weight) in enumerate(weights.items()):
        if ".lora_B." in name:
            weight.data = torch.randn(weight.shape, generator=torch.Generator().manual_seed(number)) * 0.02


def test_targets_of_the_full_size(flux_dev):
    every = find_targets(flux_dev, Flux1, "all")
    assert len(every) == 19 * 12 + 38 * 5
    attention = find_targets(flux_dev, Flux1, "attention")
    assert len(attention) == 19 * 8 + 38 * 3 and set(attention) < set(every)
    assert "proj_out" not in every and not any("norm" in name for name in every)
    linears = {name for name, module in flux_dev.named_modules() if isinstance(module, torch.nn.Linear)}
    left_out = {name.split(".", 2)[2] for name in linears - set(every) if "transformer_blocks." in name}
    assert left_out == {"norm1.linear", "norm1_context.linear", "norm.linear"}, "all of the blocks but modulation"


@pytest.mark.parametrize("targets", ["all", "attention"])
def test_every_saved_key_is_a_name_of_the_full_size(family, transformer, flux_dev, tmp_path, targets):
    settings = Lora(rank=4, targets=targets)
    export_lora(tmp_path / "x.safetensors", add_lora(transformer, family, settings, 1), settings, "bf16", {})
    names = {name for name, module in flux_dev.named_modules() if isinstance(module, torch.nn.Linear)}
    keys = load_file(tmp_path / "x.safetensors").keys()
    for key in keys:
        name, _, end = key.removeprefix("transformer.").rpartition(".lora_")
        assert key.startswith("transformer.") and end in ("A.weight", "B.weight") and name in names
    needed = ["transformer_blocks.0.attn.add_q_proj", "single_transformer_blocks.0.attn.to_q"]  # InvokeAI looks for these
    assert all(f"transformer.{name}.lora_A.weight" in keys for name in needed)


def test_nothing_has_changed_at_first(family, transformer, batch):
    noise = draw_noise(family, batch, 1, 1, 1.0)
    before = compute_loss(family, transformer, batch, noise, 1.0).item()
    weights = add_lora(transformer, family, Lora(rank=4), seed=1)
    assert compute_loss(family, transformer, batch, noise, 1.0).item() == before
    first = next(weight for name, weight in weights.items() if ".lora_A." in name)
    assert 0.2 < first.std() < 0.3, "variance 1/rank^2"
    assert all((weight == 0).all() for name, weight in weights.items() if ".lora_B." in name)


def test_first_weights_depend_on_the_seed_alone(family, transformer):
    other, third = copy.deepcopy(transformer), copy.deepcopy(transformer).to(torch.bfloat16)
    weights = add_lora(transformer, family, Lora(rank=4), seed=1)
    torch.manual_seed(99)
    again, different = add_lora(other, family, Lora(rank=4), seed=1), add_lora(third, family, Lora(rank=4), seed=2)
    name = next(iter(weights))
    assert list(weights) == list(again) == sorted(weights)
    assert torch.equal(weights[name], again[name]) and not torch.equal(weights[name], different[name])


def test_lora_gradients_and_moments_are_fp32_on_a_bf16_base(family, transformer, batch):
    transformer.to(torch.bfloat16)
    family = Flux1(replace(family.base, dtype=torch.bfloat16))
    weights = add_lora(transformer, family, Lora(rank=4), seed=1)
    optimizer = torch.optim.AdamW(weights.values(), fused=True)
    loss = compute_loss(family, transformer, batch, draw_noise(family, batch, 1, 1, 1.0), 1.0)
    loss.backward()
    optimizer.step()
    assert loss.dtype == torch.float32
    assert {weight.dtype for weight in weights.values()} == {torch.float32}
    assert {weight.grad.dtype for weight in weights.values()} == {torch.float32}
    assert {moment.dtype for state in optimizer.state.values() for moment in state.values()} == {torch.float32}
    base = [weight for weight in transformer.parameters() if not weight.requires_grad]
    assert {weight.dtype for weight in base} == {torch.bfloat16} and all(weight.grad is None for weight in base)
    assert len(base) > 100


@pytest.mark.parametrize("targets", ["all", "attention"])
def test_checkpointing_leaves_gradients_equal(family, transformer, batch, targets):
    weights = add_lora(transformer, family, Lora(rank=4, targets=targets), seed=1)
    learn_something(weights)
    noise = draw_noise(family, batch, 1, 1, 1.0)
    compute_loss(family, transformer, batch, noise, 1.0).backward()
    plain = {name: weight.grad.clone() for name, weight in weights.items()}
    assert all(gradient.abs().max() > 0 for gradient in plain.values()), "each weight learns"
    for weight in weights.values():
        weight.grad = None
    transformer.enable_gradient_checkpointing()
    compute_loss(family, transformer, batch, noise, 1.0).backward()
    for name, weight in weights.items():
        assert torch.allclose(weight.grad, plain[name], rtol=1e-5, atol=1e-9), name


def test_alpha_is_folded_into_b(family, transformer, tmp_path):
    settings = Lora(rank=4, alpha=10)
    weights = add_lora(transformer, family, settings, seed=1)
    learn_something(weights)
    export_lora(tmp_path / "x.safetensors", weights, settings, "fp32", {})
    saved = load_file(tmp_path / "x.safetensors")
    layer = transformer.transformer_blocks[0].attn.to_q
    name = "transformer.transformer_blocks.0.attn.to_q"
    delta = saved[f"{name}.lora_B.weight"] @ saved[f"{name}.lora_A.weight"]
    assert torch.allclose(delta, layer.get_delta_weight("default"), atol=1e-6)
    assert not any("alpha" in key for key in saved)
    assert {tensor.is_contiguous() for tensor in saved.values()} == {True}


@pytest.mark.parametrize(("dtype", "expected"), [("bf16", torch.bfloat16), ("fp16", torch.float16), ("fp32", torch.float32)])
def test_file_dtype_and_metadata(family, transformer, tmp_path, dtype, expected):
    metadata = describe_lora(ABOUT)
    weights = add_lora(transformer, family, Lora(rank=4), 1)
    export_lora(tmp_path / "x.safetensors", weights, Lora(rank=4), dtype, metadata)
    with safe_open(tmp_path / "x.safetensors", "pt") as file:
        assert file.metadata() == {"format": "pt", **metadata}
        assert file.metadata()["ss_base_model_version"] == "flux1" and file.metadata()["ss_network_dim"] == "4"
        assert file.metadata()["modelspec.trigger_phrase"] == "sks robot"
        assert (file.metadata()["ss_epoch"], file.metadata()["ss_steps"]) == ("3", "120")
        assert {file.get_tensor(key).dtype for key in file.keys()} == {expected}  # noqa: SIM118  no dict
    assert [path.name for path in tmp_path.iterdir()] == ["x.safetensors"]


def test_the_file_names_the_model_that_it_is_for(family):
    named = [Flux1(replace(family.base, is_guided=is_guided)).architecture for is_guided in (True, False)]
    assert named == ["flux-1-dev", "flux-1-schnell"]
    assert describe_lora(ABOUT)["modelspec.architecture"] == "flux-1-dev/lora"


def test_a_file_tells_its_epoch(tmp_path):
    path = tmp_path / "x.safetensors"
    assert read_epoch(path) is None
    for metadata, epoch in ((describe_lora(ABOUT), 3), ({"ss_epoch": "x"}, None), ({}, None)):
        path.write_bytes(serialise({"a": torch.zeros(1)}, metadata))
        assert read_epoch(path) == epoch
    path.write_bytes(b"no safetensors")
    assert read_epoch(path) is None


def test_bytes_are_the_same_from_process_to_process():
    script = (
        "import sys, torch; from trainer.lora import serialise\n"
        "tensors = {f'layer.{n}': torch.full((3,), float(n)) for n in range(9)}\n"
        "sys.stdout.buffer.write(serialise(tensors, {f'key{n}': str(n) for n in range(9)}))"
    )
    first, second = (subprocess.run([sys.executable, "-c", script], capture_output=True, check=True).stdout for _ in range(2))
    assert first == second and len(first) > 300
    assert (
        serialise({f"layer.{n}": torch.full((3,), float(n)) for n in range(9)}, {f"key{n}": str(n) for n in range(9)}) == first
    )
    length = int.from_bytes(first[:8], "little")
    assert length % 8 == 0 and len(json.loads(first[8 : 8 + length])) == 10
