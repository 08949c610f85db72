"""Parts of a model from folders and from single files: the same weights, or a sentence with the file and what is wrong."""

import pytest
import torch
from diffusers import AutoencoderKL, FluxTransformer2DModel
from safetensors.torch import save_file

from tests.trainer.original import export_flux1, export_vae
from trainer import mini
from trainer.flux1 import Flux1
from trainer.header import WeightsError
from trainer.parts import Part, find_config, has_part, load_part, open_part
from trainer.weights import open_weights

CPU = torch.device("cpu")
RECIPES = Flux1.recipes


def load(part, name, dtype=torch.float32):
    return load_part(part, RECIPES[name], dtype, CPU)


def same(one, other):
    ours, theirs = one.state_dict(), other.state_dict()
    return ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in theirs)


@pytest.fixture
def small_flux():
    """FLUX.1 with the heads of the full size, one of them, and one block of each kind."""
    torch.manual_seed(0)
    sizes = {"num_attention_heads": 1, "num_layers": 1, "num_single_layers": 1, "joint_attention_dim": 32}
    return FluxTransformer2DModel(**sizes, pooled_projection_dim=16, guidance_embeds=True).eval()


def test_a_folder_in_diffusers_format(transformer):
    assert same(load(Part(mini.MODEL / "transformer"), "transformer"), transformer)
    assert same(load(Part(mini.MODEL / "vae"), "vae"), AutoencoderKL.from_pretrained(mini.MODEL, subfolder="vae"))


@pytest.mark.parametrize("prefix", ["", "model.diffusion_model."])
@pytest.mark.parametrize("is_original", [True, False])
def test_a_single_file_replaces_the_weights_of_a_folder(transformer, tmp_path, prefix, is_original):
    state = transformer.state_dict()
    named = export_flux1(state) if is_original else state
    save_file({f"{prefix}{name}": tensor for name, tensor in named.items()}, tmp_path / "x.safetensors")
    assert same(load(Part(mini.MODEL / "transformer", tmp_path / "x.safetensors"), "transformer"), transformer)


def test_a_single_file_alone_predicts_the_same(small_flux, tmp_path):
    save_file(export_flux1(small_flux.state_dict()), tmp_path / "flux1-dev.safetensors")
    part = Part(None, tmp_path / "flux1-dev.safetensors")
    config = find_config(part, RECIPES["transformer"])
    assert {name: small_flux.config[name] for name in config} == config and config["guidance_embeds"]
    again = load(part, "transformer")
    draw = torch.Generator().manual_seed(1)
    given = {
        "hidden_states": torch.randn(1, 6, 64, generator=draw),
        "encoder_hidden_states": torch.randn(1, 4, 32, generator=draw),
        "pooled_projections": torch.randn(1, 16, generator=draw),
        "timestep": torch.tensor([0.5]),
        "guidance": torch.tensor([3.5]),
        "img_ids": torch.rand(6, 3, generator=draw),
        "txt_ids": torch.zeros(4, 3),
        "return_dict": False,
    }
    assert torch.equal(again(**given)[0], small_flux(**given)[0])


def test_schnell_is_told_by_what_it_lacks(small_flux, tmp_path):
    state = {name: tensor for name, tensor in small_flux.state_dict().items() if "guidance" not in name}
    save_file(export_flux1(state), tmp_path / "schnell.safetensors")
    part = Part(None, tmp_path / "schnell.safetensors")
    assert not find_config(part, RECIPES["transformer"])["guidance_embeds"]
    assert load(part, "transformer").time_text_embed.__class__.__name__ == "CombinedTimestepTextProjEmbeddings"


def test_fp8_becomes_what_is_asked_for(small_flux, tmp_path):
    """flux1-dev-fp8.safetensors: bare float8_e4m3fn."""
    fp8 = {name: tensor.to(torch.float8_e4m3fn) for name, tensor in export_flux1(small_flux.state_dict()).items()}
    save_file(fp8, tmp_path / "flux1-dev-fp8.safetensors")
    module = load(Part(None, tmp_path / "flux1-dev-fp8.safetensors"), "transformer", torch.bfloat16)
    wanted = small_flux.x_embedder.weight.to(torch.float8_e4m3fn).to(torch.bfloat16)
    assert torch.equal(module.x_embedder.weight, wanted) and module.dtype == torch.bfloat16


@pytest.mark.parametrize("leaf", ["scale_weight", "weight_scale"])
def test_scaled_fp8_alone(small_flux, tmp_path, leaf):
    """flux_dev_fp8_scaled_diffusion_model.safetensors: a factor beside each linear's weight is no weight that is left over."""
    state, factor = export_flux1(small_flux.state_dict()), torch.tensor(2.0**-8)
    linears = [name.removesuffix(".weight") for name, tensor in state.items() if name.endswith(".weight") and tensor.dim() == 2]
    state |= {f"{name}.weight": (state[f"{name}.weight"] / factor).to(torch.float8_e4m3fn) for name in linears}
    state |= {f"{name}.{leaf}": factor.clone() for name in linears} | {
        f"{name}.scale_input": torch.ones(()) for name in linears
    }
    save_file(state | {"scaled_fp8": torch.zeros(2).to(torch.float8_e4m3fn)}, tmp_path / "x.safetensors")
    module = load(Part(None, tmp_path / "x.safetensors"), "transformer")
    assert torch.equal(module.x_embedder.weight, state["img_in.weight"].float() * factor)
    assert torch.equal(module.x_embedder.bias, small_flux.x_embedder.bias)


def test_a_vae_in_its_authors_names(tmp_path):
    vae = AutoencoderKL.from_pretrained(mini.MODEL, subfolder="vae")
    save_file({name: tensor.contiguous() for name, tensor in export_vae(vae.state_dict()).items()}, tmp_path / "ae.safetensors")
    assert same(load(Part(mini.MODEL / "vae", tmp_path / "ae.safetensors"), "vae"), vae)


def test_a_vae_alone_has_the_scale_of_flux1(tmp_path):
    levels = {"down_block_types": ("DownEncoderBlock2D",) * 4, "up_block_types": ("UpDecoderBlock2D",) * 4}
    vae = AutoencoderKL(block_out_channels=(32, 32, 32, 64), latent_channels=16, use_quant_conv=False,
                        use_post_quant_conv=False, layers_per_block=2, **levels)  # fmt: skip
    save_file({name: tensor.contiguous() for name, tensor in export_vae(vae.state_dict()).items()}, tmp_path / "ae.safetensors")
    again = load(Part(None, tmp_path / "ae.safetensors"), "vae")
    assert same(again, vae) and (again.config.scaling_factor, again.config.shift_factor) == (0.3611, 0.1159)


def test_one_file_with_all_parts(small_flux, tmp_path):
    """flux1-dev-fp8.safetensors of Comfy-Org holds the transformer, both text encoders and the VAE."""
    vae = AutoencoderKL.from_pretrained(mini.MODEL, subfolder="vae")
    state = {f"model.diffusion_model.{name}": tensor for name, tensor in export_flux1(small_flux.state_dict()).items()}
    state |= {f"vae.{name}": tensor.contiguous() for name, tensor in export_vae(vae.state_dict()).items()}
    for part, prefix in (("text_encoder", "text_encoders.clip_l.transformer.text_model."),
                         ("text_encoder_2", "text_encoders.t5xxl.transformer.")):  # fmt: skip
        weights = open_weights(mini.MODEL / part / "model.safetensors")
        state |= {f"{prefix}{name}": weights[name] for name in weights}
    save_file(state, tmp_path / "all.safetensors")
    names = open_weights(tmp_path / "all.safetensors")
    assert all(has_part(names, recipe) for recipe in RECIPES.values())
    assert same(load(Part(None, tmp_path / "all.safetensors"), "transformer"), small_flux)
    assert same(load(Part(mini.MODEL / "vae", tmp_path / "all.safetensors"), "vae"), vae)
    for part in ("text_encoder", "text_encoder_2"):
        assert same(load(Part(mini.MODEL / part, tmp_path / "all.safetensors"), part), load(Part(mini.MODEL / part), part))


def test_t5_keeps_its_shared_tensor_once():
    t5 = load(Part(mini.MODEL / "text_encoder_2"), "text_encoder_2")
    assert t5.shared.weight is t5.encoder.embed_tokens.weight


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda state: {"model.diffusion_model.input_blocks.0.0.weight": torch.zeros(1)}, "got Stable Diffusion 1, 2 or XL, "),
        (lambda state: state | {"ip_adapter.to_k.weight": torch.zeros(1)}, "1 weights are left over, such as ip_adapter.to_k"),
        (lambda state: {name: tensor for name, tensor in state.items() if "txt_mlp" not in name}, "4 of 66 weights are not "),
        (
            lambda state: state | {"img_in.bias": torch.zeros(3)},
            "another shape, such as x_embedder.bias: got (3,), expected (128,)",
        ),
        (lambda state: state | {"single_blocks.0.linear1.weight": torch.zeros(9, 128)}, "4 weights have another shape"),
        (lambda state: {name: tensor for name, tensor in state.items() if "img_in" not in name}, "'x_embedder.weight' is not "),
    ],
)
def test_another_model_is_told(small_flux, tmp_path, change, problem):
    save_file(change(export_flux1(small_flux.state_dict())), tmp_path / "x.safetensors")
    with pytest.raises(WeightsError) as told:
        open_part(Part(None, tmp_path / "x.safetensors"), RECIPES["transformer"])
    assert problem in str(told.value) and "expected" in str(told.value) and str(tmp_path / "x.safetensors") in str(told.value)
