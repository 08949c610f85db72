"""LoRAs as other tools write them, and files that cannot be used."""

import json
import math

import pytest
import torch
from diffusers import FluxPipeline
from peft import LoraConfig, get_peft_model_state_dict
from safetensors.torch import save_file

from trainer.flux1 import Flux1
from trainer.lora_reader import LoraError, read_lora

Q, QKV = "transformer_blocks.0.attn.to_q", "double_blocks_0_img_attn_qkv"
SDXL = "lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn2_to_k"


@pytest.fixture
def read(tmp_path):
    """read(tensors, metadata, name): what is read of a file of these."""

    def write_and_read(tensors, metadata=None, name="x.safetensors"):
        save_file(tensors, tmp_path / name, metadata)
        return read_lora(tmp_path / name, [Flux1])

    return write_and_read


def pair(module, rank=2, rows=8, columns=8, halves=("lora_A.weight", "lora_B.weight"), dtype=torch.float32):
    generator = torch.Generator().manual_seed(3)
    a, b = torch.randn(rank, columns, generator=generator), torch.randn(rows, rank, generator=generator)
    return {f"{module}.{halves[0]}": a.to(dtype), f"{module}.{halves[1]}": b.to(dtype)}


def delta(lora, module=Q):
    return lora.layers[module].b.float() @ lora.layers[module].a.float()


PLAIN = {**pair("x")}
DELTA = PLAIN["x.lora_B.weight"] @ PLAIN["x.lora_A.weight"]


# ---- forms -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("module", "halves"),
    [
        (f"transformer.{Q}", ("lora_A.weight", "lora_B.weight")),
        (Q, ("lora_A.weight", "lora_B.weight")),
        (f"base_model.model.{Q}", ("lora_A.weight", "lora_B.weight")),
        (f"base_model.model.{Q}", ("lora_A.default.weight", "lora_B.default.weight")),
        (f"transformer.base_model.model.{Q}", ("lora_A.weight", "lora_B.weight")),
        (f"diffusion_model.{Q}", ("lora_A.weight", "lora_B.weight")),
        (f"transformer.{Q}", ("lora.down.weight", "lora.up.weight")),
        (f"transformer.{Q}", ("lora_linear_layer.down.weight", "lora_linear_layer.up.weight")),
        (f"lora_transformer_{Q.replace('.', '_')}", ("lora_down.weight", "lora_up.weight")),
        (f"lora_unet_{Q.replace('.', '_')}", ("lora_down.weight", "lora_up.weight")),
        (f"transformer.{Q}", ("lora_A", "lora_B")),
    ],
)
def test_spellings_of_one_module(read, module, halves):
    lora = read(pair(module, halves=halves))
    assert list(lora.layers) == [Q] and lora.family is Flux1
    assert torch.equal(delta(lora), DELTA) and not lora.is_rounded and lora.dtype == torch.float32


@pytest.mark.parametrize("prefix", ["lora_unet_", "diffusion_model.", "model.diffusion_model.", ""])
def test_modules_of_the_original(read, prefix):
    name = QKV if prefix == "lora_unet_" else "double_blocks.0.img_attn.qkv"
    lora = read(pair(f"{prefix}{name}", rows=24))
    assert list(lora.layers) == [f"transformer_blocks.0.attn.to_{part}" for part in "qkv"]


def test_xlabs_as_diffusers_reads_it(read, tmp_path):
    halves = ("down.weight", "up.weight")
    tensors = {}
    for number, (name, rows) in enumerate([("qkv_lora1", 24), ("qkv_lora2", 24), ("proj_lora1", 8), ("proj_lora2", 8)]):
        tensors |= pair(f"double_blocks.{number}.processor.{name}", rows=rows, halves=halves)
    tensors |= pair("single_blocks.3.processor.qkv_lora", rows=24, halves=halves)
    tensors |= pair("single_blocks.3.processor.proj_lora", columns=40, halves=halves)
    lora = read(tensors)
    theirs = FluxPipeline.lora_state_dict(tmp_path, weight_name="x.safetensors")
    assert len(theirs) == 2 * len(lora.layers) == 2 * (3 + 3 + 1 + 1 + 3 + 1)
    for module in lora.layers:
        a, b = (theirs[f"transformer.{module}.lora_{half}.weight"] for half in "AB")
        assert torch.equal(delta(lora, module), b @ a)


def test_what_peft_itself_saves(transformer, read):
    transformer.add_adapter(LoraConfig(r=4, lora_alpha=8, target_modules=["to_q", "proj_mlp"], init_lora_weights=False))
    state = get_peft_model_state_dict(transformer)
    said = {"lora_adapter_metadata": json.dumps({"transformer.r": 4, "transformer.lora_alpha": 8})}
    lora = read({f"transformer.{name}": tensor.contiguous() for name, tensor in state.items()}, said)
    assert len(lora.layers) == 2 + 5 + 5
    for module in lora.layers:
        torch.testing.assert_close(delta(lora, module), transformer.get_submodule(module).get_delta_weight("default"))


# ---- scale -----------------------------------------------------------------------------------------------------------
def test_alpha_beside_the_pair_is_folded_in(read):
    tensors = pair(f"lora_unet_{QKV}", rows=24, halves=("lora_down.weight", "lora_up.weight"))
    plain = read(tensors)
    scaled = read(tensors | {f"lora_unet_{QKV}.alpha": torch.tensor(1.0)})
    torch.testing.assert_close(delta(scaled), delta(plain) * 0.5)


@pytest.mark.parametrize(
    ("config", "factor"),
    [
        ({"r": 2, "lora_alpha": 4}, 2.0),
        ({"r": 2, "lora_alpha": 4, "use_rslora": True}, 4 / math.sqrt(2)),
        ({"r": 2, "lora_alpha": 4, "alpha_pattern": {"to_q": 1}}, 0.5),
        ({"r": 2, "lora_alpha": 4, "alpha_pattern": {r"transformer_blocks.\d+.attn.to_q": 1}}, 0.5),
        ({"r": 2, "lora_alpha": 4, "alpha_pattern": {"q": 1}}, 2.0),
        ({"r": 16, "lora_alpha": 4, "rank_pattern": {"to_q": 2}}, 2.0),
    ],
)
@pytest.mark.parametrize("place", ["header", "file"])
def test_alpha_in_peft_s_config(read, tmp_path, config, factor, place):
    if place == "header":
        said = {"lora_adapter_metadata": json.dumps({f"transformer.{name}": value for name, value in config.items()})}
        lora = read(pair(f"transformer.{Q}"), said)
    else:
        (tmp_path / "adapter_config.json").write_text(json.dumps(config))
        lora = read(pair(f"base_model.model.{Q}"), name="adapter_model.safetensors")
    torch.testing.assert_close(delta(lora), DELTA * factor)


def test_the_scale_is_folded_without_loss_in_a_narrow_type(read):
    tensors = pair(Q, dtype=torch.bfloat16)
    exact, rounded = (read(tensors | {f"{Q}.alpha": torch.tensor(alpha)}) for alpha in (4.0, 0.6))
    assert not exact.is_rounded and exact.layers[Q].b.dtype == torch.bfloat16
    assert rounded.is_rounded and rounded.dtype == torch.bfloat16
    torch.testing.assert_close(delta(rounded), delta(read(tensors)) * 0.3, rtol=1e-6, atol=1e-6)


def test_an_alpha_without_weights_is_nothing(read):
    """Some files have one for the final layer."""
    assert list(read(pair(Q) | {"lora_unet_final_layer_linear.alpha": torch.tensor(4.0)}).layers) == [Q]


# ---- what is left out ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "module", ["lora_te1_text_model_encoder_layers_0_mlp_fc1", "lora_te3_x", "text_encoder.text_model.x", "text_encoder_2.x"]
)
def test_text_encoders_are_left_out_and_told(read, module):
    lora = read(pair(Q) | pair(module) | {f"{module}.alpha": torch.tensor(1.0)})
    assert list(lora.layers) == [Q] and lora.left_out == [module]
    with pytest.raises(LoraError, match="text encoders alone"):
        read(pair(module))


# ---- files that cannot be used -----------------------------------------------------------------------------------------
def lose(tensors, half):
    return {name: tensor for name, tensor in tensors.items() if half not in name}


@pytest.mark.parametrize(
    ("tensors", "told"),
    [
        (pair(SDXL, halves=("lora_down.weight", "lora_up.weight")), ["Stable Diffusion 1.5 or SDXL", SDXL, "alone"]),
        (pair("unet.up_blocks.0.attentions.0.to_k"), ["Stable Diffusion 1.5 or SDXL"]),
        ({f"lora_unet_{QKV}.lokr_w1": torch.ones(2, 2)}, ["LyCORIS", "plain LoRA"]),
        ({f"lora_unet_{QKV}.hada_w1_a": torch.ones(2, 2)}, ["LyCORIS"]),
        (pair(Q) | {f"{Q}.dora_scale": torch.ones(8)}, ["DoRA"]),
        (pair(Q) | {f"{Q}.lora_magnitude_vector": torch.ones(8)}, ["DoRA"]),
        (pair(Q) | {f"{Q}.lora_B.bias": torch.ones(8)}, ["biases"]),
        ({"double_blocks.0.img_attn.qkv.weight": torch.ones(24, 8)}, ["a model and no LoRA", "192 numbers", "model.base"]),
        ({"transformer_blocks.0.attn.to_q.weight": torch.ones(8, 8)}, ["a model and no LoRA"]),
        ({}, ["it is empty"]),
        (pair(Q) | {"what.is.this": torch.ones(1)}, ["1 of 3 names", "what.is.this"]),
        (lose(pair(Q), "lora_A"), [Q, "lora_A (lora_down) is missing", "not whole"]),
        (lose(pair(Q), "lora_B"), [Q, "lora_B (lora_up) is missing"]),
        (pair("blocks.0.self_attn.q"), ["another model", "FLUX.1", "there is no module blocks.0.self_attn.q"]),
        (pair("single_blocks.0.linear1", rows=72), ["another model", "got 72 rows for 8 columns, expected 56"]),
        (pair(Q) | pair(f"lora_unet_{QKV}", rows=24), ["transformer_blocks.0.attn.to_q is there twice"]),
        ({**pair(Q), f"{Q}.lora_A.weight": torch.ones(3, 8)}, ["got shapes (3, 8) and (8, 2), expected (r, n) and (m, r)"]),
        ({**pair(Q), f"{Q}.lora_A.weight": torch.ones(2, 8, 1, 1)}, ["got shapes"]),
        ({**pair(Q), f"{Q}.lora_A.weight": torch.full((2, 8), math.nan)}, ["not finite", "earlier file"]),
        ({**pair(Q), f"{Q}.lora_A.weight": torch.ones(2, 8, dtype=torch.int8)}, ["torch.int8", "bf16, fp16 or fp32"]),
    ],
)
def test_what_a_file_is_that_cannot_be_used(read, tmp_path, tensors, told):
    with pytest.raises(LoraError) as raised:
        read(tensors)
    for words in (str(tmp_path / "x.safetensors"), *told):
        assert words in str(raised.value)


def test_half_a_file_and_none(tmp_path):
    save_file(pair(Q), tmp_path / "whole.safetensors")
    data = (tmp_path / "whole.safetensors").read_bytes()
    for length in (0, 4, 20, len(data) - 1):
        (tmp_path / "half.safetensors").write_bytes(data[:length])
        with pytest.raises(LoraError, match=f"got a file of {length} bytes that cannot be read .* download or copy it again"):
            read_lora(tmp_path / "half.safetensors", [Flux1])
    (tmp_path / "x.pt").write_bytes(b"PK\x03\x04")
    with pytest.raises(LoraError, match=r"expected a \.safetensors"):
        read_lora(tmp_path / "x.pt", [Flux1])
    for path in (tmp_path / "none.safetensors", tmp_path):
        with pytest.raises(LoraError, match="there is no such file"):
            read_lora(path, [Flux1])


def test_a_config_that_cannot_be_read(read, tmp_path):
    with pytest.raises(LoraError, match="its alpha cannot be read"):
        read(pair(Q), {"lora_adapter_metadata": "{"})
    with pytest.raises(LoraError, match=r"adapter_config\.json"):
        read(pair(Q), name="adapter_model.safetensors")
