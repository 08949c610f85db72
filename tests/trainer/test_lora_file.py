"""The file that every tool loads: its keys, numbers and words, its bytes; and how diffusers reads it."""

import hashlib
import json
import re
import subprocess
import sys

import pytest
import torch
from diffusers import FluxPipeline, FluxTransformer2DModel
from safetensors import safe_open
from safetensors.torch import load_file

from trainer.config import Lora, parse_config
from trainer.flow import Batch
from trainer.flux1 import Flux1
from trainer.lora import add_lora
from trainer.lora_file import About, Style, describe_lora, describe_training, export_lora, fold, read_epoch, serialise, split
from trainer.lora_reader import read_lora
from trainer.plan import Plan

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
FORMS = ("diffusers", "kohya", "bfl")


@pytest.fixture
def learned(transformer, family):
    """learned(**settings): a transformer with a LoRA that is not nothing, its settings and its pairs."""

    def make(**settings):
        lora = Lora(rank=4, **settings)
        weights = add_lora(transformer, family, lora, 1)
        for number, (name, weight) in enumerate(weights.items()):
            if ".lora_B." in name:
                weight.data = torch.randn(weight.shape, generator=torch.Generator().manual_seed(number)) * 0.02
        return transformer, lora, fold(weights, lora)

    return make


def style(form="diffusers", dtype=torch.float32):
    return Style(Flux1, form, dtype)


def is_known_to_invoke(keys):
    """What InvokeAI asks of a FLUX LoRA in diffusers' form: every key is half of a pair, and these two modules are there.

    invoke-ai/InvokeAI, invokeai/backend/patches/lora_conversions/flux_diffusers_lora_conversion_utils.py, 8e71a8a."""
    ends = ("lora_A.weight", "lora_B.weight", "lora_A", "lora_B", "lora.down.weight", "lora.up.weight")
    needed = ("single_transformer_blocks.0.attn.to_q", "transformer_blocks.0.attn.add_q_proj")
    halves = ("lora_A.weight", "lora_B.weight")
    return all(key.endswith(ends) for key in keys) and all(
        f"transformer.{module}.{half}" in keys for module in needed for half in halves
    )


def is_known_to_invoke_as_kohya(keys):
    """The same of kohya's form: flux_kohya_lora_conversion_utils.py, 8e71a8a."""
    block = r"lora_unet_(double_blocks_(\d+)_(img|txt)_(attn_proj|attn_qkv|mlp_0|mlp_2|mod_lin)|"
    block += r"single_blocks_(\d+)_(linear1|linear2|modulation_lin))\.(lora_up\.weight|lora_down\.weight|alpha)"
    return all(re.fullmatch(block, key) for key in keys)


# ---- keys ------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("targets", ["all", "attention", "all+modulation"])
def test_every_saved_key_is_a_name_of_the_full_size(learned, tmp_path, targets):
    _, _, layers = learned(targets=targets)
    export_lora(tmp_path / "x.safetensors", layers, style(), {})
    with torch.device("meta"):
        full = FluxTransformer2DModel(guidance_embeds=True)
    names = {name for name, module in full.named_modules() if isinstance(module, torch.nn.Linear)}
    keys = load_file(tmp_path / "x.safetensors").keys()
    for key in keys:
        name, _, end = key.removeprefix("transformer.").rpartition(".lora_")
        assert key.startswith("transformer.") and end in ("A.weight", "B.weight") and name in names
    assert len(keys) == 2 * len(layers) and is_known_to_invoke(keys)
    assert not is_known_to_invoke([*keys, "transformer.transformer_blocks.0.attn.to_q.alpha"])
    export_lora(tmp_path / "kohya.safetensors", layers, style("kohya"), {})
    assert is_known_to_invoke_as_kohya(load_file(tmp_path / "kohya.safetensors"))


def test_alpha_is_folded_into_b(learned, tmp_path):
    transformer, lora, layers = learned(alpha=10)
    export_lora(tmp_path / "x.safetensors", layers, style(), {})
    saved = load_file(tmp_path / "x.safetensors")
    name, layer = "transformer.transformer_blocks.0.attn.to_q", transformer.transformer_blocks[0].attn.to_q
    delta = saved[f"{name}.lora_B.weight"] @ saved[f"{name}.lora_A.weight"]
    torch.testing.assert_close(delta, layer.lora_B.weight @ layer.lora_A.weight * lora.alpha / lora.rank)
    assert not any("alpha" in key for key in saved)


@pytest.mark.parametrize("form", FORMS)
def test_each_form_adds_the_same(learned, tmp_path, form):
    """To 1e-6, as read back by whatever reads LoRAs here."""
    _, _, layers = learned(alpha=10, targets="all+modulation")
    export_lora(tmp_path / "x.safetensors", layers, style(form), {})
    back = read_lora(tmp_path / "x.safetensors", [Flux1]).layers
    assert back.keys() == layers.keys()
    for name, pair in layers.items():
        torch.testing.assert_close(back[name].b @ back[name].a, pair.b @ pair.a, rtol=0, atol=1e-6)
        assert back[name].rank == 4


# ---- in diffusers ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("form", "settings"), [("diffusers", {"alpha": 6}), ("kohya", {"alpha": 6, "blocks": "double"})])
def test_diffusers_predicts_the_same_with_it(learned, family, tmp_path, form, settings):
    """At scale 1. Of kohya's form it knows single blocks in FLUX.1's full width alone; those are tested by their names."""
    transformer, _, layers = learned(**settings)
    export_lora(tmp_path / "x.safetensors", layers, style(form), describe_lora(ABOUT))
    other = family.load_transformer()
    pipe = FluxPipeline(None, None, None, None, None, None, other)
    pipe.load_lora_weights(tmp_path, weight_name="x.safetensors")
    there = {name: module for name, module in other.named_modules() if hasattr(module, "scaling")}
    assert there.keys() == layers.keys() and {scale for module in there.values() for scale in module.scaling.values()} == {1.0}
    generator = torch.Generator().manual_seed(5)
    latents, txt, pooled = (torch.randn(*shape, generator=generator) for shape in [(1, 16, 8, 8), (1, 24, 96), (1, 64)])
    batch, sigmas = Batch(latents, {"txt": txt, "pooled": pooled}), torch.tensor([0.3])
    ours, theirs, plain = (
        family.predict(model, family.pack(latents), batch, sigmas, 1.0)
        for model in (transformer, other, family.load_transformer())
    )
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)
    assert not torch.allclose(ours, plain, atol=1e-3)


def test_a_pipeline_draws_with_it(learned, family):
    """diffusers' own around a transformer that has our layers: nothing of it asks for peft's."""
    transformer, _, _ = learned()
    pipe = FluxPipeline(None, None, None, None, None, None, transformer)
    assert pipe.transformer is transformer and not hasattr(pipe.transformer, "peft_config")


# ---- numbers and words -----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
@pytest.mark.parametrize("form", FORMS)
def test_numbers_and_metadata(learned, tmp_path, dtype, form):
    _, _, layers = learned()
    export_lora(tmp_path / "x.safetensors", layers, style(form, dtype), describe_lora(ABOUT) | {"lora_adapter_metadata": "{}"})
    with safe_open(tmp_path / "x.safetensors", "pt") as file:
        said, keys = file.metadata(), [key for key in file.keys() if not key.endswith(".alpha")]  # noqa: SIM118  no dict
        assert {file.get_tensor(key).dtype for key in keys} == {dtype}
    assert said.items() >= {"format": "pt", **describe_lora(ABOUT)}.items()
    assert said["ss_base_model_version"] == "flux1" and said["ss_network_dim"] == said["ss_network_alpha"] == "4"
    assert said["modelspec.trigger_phrase"] == "sks robot" and said["modelspec.architecture"] == "flux-1-dev/lora"
    assert (said["ss_epoch"], said["ss_steps"]) == ("3", "120")
    assert ("ss_network_module" in said) == (form == "kohya") and "lora_adapter_metadata" not in said
    assert (said["modelspec.implementation"] == "diffusers") == (form == "diffusers")
    assert [path.name for path in tmp_path.iterdir()] == ["x.safetensors"]


def test_the_hashes_are_those_of_the_tensors(learned, tmp_path):
    """As kohya and the lists of LoRAs count them: sha256 of all that follows the header, whatever the header says."""
    _, _, layers = learned()
    hashes = []
    for name in ("one", "two"):
        export_lora(tmp_path / name, layers, style(), {"modelspec.title": name, "sshs_legacy_hash": "old"})
        with safe_open(tmp_path / name, "pt") as file:
            said = file.metadata()
        body = split((tmp_path / name).read_bytes())[1]
        assert said["sshs_model_hash"] == hashlib.sha256(body).hexdigest() and "sshs_legacy_hash" not in said
        hashes.append(said["modelspec.hash_sha256"])
    assert hashes[0] == hashes[1] == "0x" + said["sshs_model_hash"]


def test_how_it_was_learned_is_told_and_captions_are_not(small):
    config = parse_config(small)
    said = describe_training(config, Plan(12, 2, 4, 12, 1, 1), images=12, ordinary=3)
    assert said["ss_learning_rate"] == "0.002" and said["ss_num_train_images"] == "12" and said["ss_num_reg_images"] == "3"
    assert said["ss_optimizer"] == "adamw" and said["ss_timestep_sampling"] == "flux_shift"
    assert said["ss_max_train_steps"] == "12" and json.loads(said["ss_network_args"])["targets"] == "all"
    assert "ss_tag_frequency" not in said and small["data"]["folder"] not in " ".join(said.values())


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
        "import sys, torch; from trainer.lora_file import serialise\n"
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


def test_what_is_folded_stays_when_the_weights_go_on(transformer, family):
    """While samples are drawn and files written the weights may be replaced by their average."""
    weights = add_lora(transformer, family, Lora(rank=4, alpha=4), 1)
    layers = fold(weights, Lora(rank=4, alpha=4))
    before = layers["transformer_blocks.0.attn.to_q"].a.clone()
    weights["transformer_blocks.0.attn.to_q.lora_A.weight"].data.zero_()
    assert before.any() and torch.equal(layers["transformer_blocks.0.attn.to_q"].a, before)
