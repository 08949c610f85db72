"""Single files of VAEs and text encoders: built from the shapes of their weights alone, they compute the same."""

import pytest
import torch
from diffusers import AutoencoderKL, AutoencoderKLFlux2
from diffusers.loaders.single_file_utils import convert_ldm_vae_checkpoint
from transformers import CLIPTextConfig, CLIPTextModel, Qwen3Config, Qwen3Model, T5Config, T5EncoderModel

from tests.trainer.original import export_vae
from trainer import mini
from trainer.encoders import VAE_KEYS, infer_clip, infer_qwen, infer_t5, infer_vae
from trainer.names import rename

SHAPE = {
    "block_out_channels": (32, 32, 64, 64),
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "latent_channels": 16,
}


def shapes_of(model):
    return {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        (AutoencoderKL, {"layers_per_block": 2, "use_quant_conv": False, "use_post_quant_conv": False}),
        (AutoencoderKL, {"layers_per_block": 1, "mid_block_add_attention": False}),
        (AutoencoderKLFlux2, {"layers_per_block": 2}),
        (AutoencoderKLFlux2, {"layers_per_block": 1, "decoder_block_out_channels": (32, 32, 32, 64)}),
    ],
)
def test_a_vae_is_built_from_its_shapes(kind, more):
    model = kind(**SHAPE, **more)
    theirs = export_vae(model.state_dict(), inside=kind is AutoencoderKLFlux2)
    renamed = rename({name: tuple(tensor.shape) for name, tensor in theirs.items()}, VAE_KEYS)
    config = infer_vae(renamed)
    assert shapes_of(kind.from_config(config)) == shapes_of(model)
    assert {name: model.config[name] for name in config} == config


def test_the_exporter_of_these_tests_agrees_with_diffusers_converter():
    model = AutoencoderKL.from_pretrained(mini.MODEL, subfolder="vae")
    theirs = export_vae(model.state_dict())
    assert "decoder.up.3.block.0.conv1.weight" in theirs and "encoder.down.0.downsample.conv.weight" in theirs
    back = convert_ldm_vae_checkpoint(theirs, dict(model.config))
    assert back.keys() == model.state_dict().keys()
    assert all(torch.equal(tensor, back[name]) for name, tensor in model.state_dict().items())


def test_clip_is_built_from_its_shapes():
    sizes = {"hidden_size": 128, "num_attention_heads": 2, "intermediate_size": 256, "num_hidden_layers": 3, "vocab_size": 300}
    model = CLIPTextModel(CLIPTextConfig(**sizes)).eval()
    again = CLIPTextModel(CLIPTextConfig(**infer_clip(shapes_of(model)))).eval()
    again.load_state_dict(model.state_dict())
    ids = torch.tensor([[298, 5, 6, 299, 299]])
    assert torch.equal(model(ids).last_hidden_state, again(ids).last_hidden_state)
    assert torch.equal(again(ids).pooler_output[0], again(ids).last_hidden_state[0, 3]), "pooled at the first end"


def test_clip_l_has_the_numbers_of_the_published_config():
    with torch.device("meta"):
        model = CLIPTextModel(CLIPTextConfig(hidden_size=768, num_attention_heads=12, intermediate_size=3072))
    got = CLIPTextConfig(**infer_clip(shapes_of(model)))
    assert (got.num_attention_heads, got.hidden_act, got.max_position_embeddings) == (12, "quick_gelu", 77)
    assert (got.num_hidden_layers, got.bos_token_id, got.eos_token_id) == (12, 49406, 49407)


def test_t5_xxl_and_qwen3_4b_have_the_numbers_of_their_published_configs():
    t5 = {"d_model": 4096, "d_kv": 64, "d_ff": 10240, "num_layers": 24, "num_heads": 64, "vocab_size": 32128}
    qwen = {"hidden_size": 2560, "intermediate_size": 9728, "num_hidden_layers": 36, "num_attention_heads": 32}
    qwen |= {"num_key_value_heads": 8, "head_dim": 128, "vocab_size": 151936}
    with torch.device("meta"):
        models = T5EncoderModel(T5Config(**t5, feed_forward_proj="gated-gelu")), Qwen3Model(Qwen3Config(**qwen))
    got_t5, got_qwen = infer_t5(shapes_of(models[0])), infer_qwen(shapes_of(models[1]))
    assert {name: got_t5[name] for name in t5} == t5 and {name: got_qwen[name] for name in qwen} == qwen


def test_t5_is_built_from_its_shapes():
    config = T5Config.from_pretrained(mini.MODEL / "text_encoder_2")
    model = T5EncoderModel(config).eval()
    again = T5EncoderModel(T5Config(**infer_t5(shapes_of(model)))).eval()
    again.load_state_dict(model.state_dict())
    ids = torch.arange(12)[None]
    assert torch.equal(model(ids).last_hidden_state, again(ids).last_hidden_state)


def test_qwen_is_built_from_its_shapes():
    sizes = {"hidden_size": 32, "head_dim": 16, "num_attention_heads": 4, "num_key_value_heads": 2, "intermediate_size": 48}
    rope = {"rope_type": "default", "rope_theta": 1e6}
    model = Qwen3Model(Qwen3Config(**sizes, num_hidden_layers=3, vocab_size=99, rope_parameters=rope)).eval()
    again = Qwen3Model(Qwen3Config(**infer_qwen(shapes_of(model)))).eval()
    again.load_state_dict(model.state_dict())
    ids = torch.arange(12)[None]
    assert torch.equal(model(ids).last_hidden_state, again(ids).last_hidden_state)
