"""Names of other projects into diffusers': every weight, every row, exactly."""

import torch
from diffusers import FluxTransformer2DModel
from diffusers.loaders.single_file_utils import convert_flux_transformer_checkpoint_to_diffusers
from safetensors.torch import save_file

from tests.trainer.original import export_flux1
from trainer.flux1 import Flux1
from trainer.names import rename, translate
from trainer.weights import open_weights


def shapes_of(state):
    return {name: tuple(tensor.shape) for name, tensor in state.items()}


def test_flux1_there_and_back(transformer, tmp_path):
    state = transformer.state_dict()
    save_file(export_flux1(state), tmp_path / "x.safetensors")
    ours = translate(open_weights(tmp_path / "x.safetensors"), Flux1.keys, shapes_of(state))
    assert set(ours) == set(state)
    assert all(torch.equal(ours[name], tensor) for name, tensor in state.items())


def test_names_of_diffusers_stay(transformer, tmp_path):
    state = transformer.state_dict()
    save_file(state, tmp_path / "x.safetensors")
    ours = translate(open_weights(tmp_path / "x.safetensors"), Flux1.keys, shapes_of(state))
    assert all(torch.equal(ours[name], tensor) for name, tensor in state.items())


def test_the_exporter_of_these_tests_agrees_with_diffusers_converter():
    """Of the full size, without numbers: their converter knows no other width."""
    with torch.device("meta"):
        state = FluxTransformer2DModel(num_layers=2, num_single_layers=2, guidance_embeds=True).state_dict()
    theirs = export_flux1(state)
    assert len(theirs) == 2 * 24 + 2 * 8 + 20
    assert shapes_of(convert_flux_transformer_checkpoint_to_diffusers(theirs)) == shapes_of(state)


def test_fp8_with_a_factor_is_split_with_its_factor(transformer, tmp_path):
    """ComfyUI's scaled fp8: one factor for the fused weight, which q, k and v share."""
    state = transformer.state_dict()
    theirs = export_flux1(state)
    name = "double_blocks.0.img_attn.qkv"
    factor = theirs[f"{name}.weight"].abs().amax() / 448
    small = (theirs[f"{name}.weight"] / factor).to(torch.float8_e4m3fn)
    theirs |= {f"{name}.weight": small, f"{name}.scale_weight": factor, "scaled_fp8": torch.zeros(2).to(torch.float8_e4m3fn)}
    save_file(theirs, tmp_path / "x.safetensors")
    ours = translate(open_weights(tmp_path / "x.safetensors"), Flux1.keys, shapes_of(state))
    got = torch.cat([ours[f"transformer_blocks.0.attn.{part}.weight"] for part in ("to_q", "to_k", "to_v")])
    assert torch.equal(got, small.float() * factor)


def test_a_fused_weight_of_another_size_is_no_part_of_ours(transformer, tmp_path):
    state = transformer.state_dict()
    theirs = export_flux1(state) | {"single_blocks.0.linear1.weight": torch.zeros(8, 160)}
    save_file(theirs, tmp_path / "x.safetensors")
    ours = translate(open_weights(tmp_path / "x.safetensors"), Flux1.keys, shapes_of(state))
    assert ours.shapes["single_transformer_blocks.0.attn.to_q.weight"] == (8, 160)


def test_shapes_are_renamed_where_nothing_is_fused(transformer):
    renamed, state = rename(shapes_of(export_flux1(transformer.state_dict())), Flux1.keys), shapes_of(transformer.state_dict())
    fused = {name for name in state if any(part in name for part in (".to_q.", ".to_k.", ".to_v.", ".add_", ".proj_mlp."))}
    assert {name: renamed[name] for name in state.keys() - fused} == {name: state[name] for name in state.keys() - fused}
