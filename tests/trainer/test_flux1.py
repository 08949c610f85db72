"""FLUX.1 against diffusers' own pipeline and the published formulas."""

import dataclasses
import math

import pytest
import torch
from diffusers import FluxPipeline, FluxTransformer2DModel

from tests.trainer.original import export_flux1, promise
from trainer import mini
from trainer.flow import Batch
from trainer.flux1 import Flux1, make_img_ids
from trainer.names import rename, translate


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(5)
    draw = lambda *shape: torch.randn(*shape, generator=generator)  # noqa: E731
    return Batch(draw(3, 16, 8, 12), {"txt": draw(3, 24, 96), "pooled": draw(3, 64)})


def test_packing_and_ids_are_diffusers(family, batch):
    packed = family.pack(batch.latents)
    assert torch.equal(packed, FluxPipeline._pack_latents(batch.latents, 3, 16, 8, 12))
    assert torch.equal(family.unpack(packed, 8, 12), batch.latents)
    assert torch.equal(family.unpack(packed, 8, 12), FluxPipeline._unpack_latents(packed, 64, 96, 8))
    assert torch.equal(make_img_ids(8, 12), FluxPipeline._prepare_latent_image_ids(3, 4, 6, "cpu", torch.float32))


@torch.no_grad()
def test_texts_are_encoded_as_by_diffusers_pipeline(family):
    pipe = FluxPipeline.from_pretrained(mini.MODEL, transformer=None, vae=None, dtype=torch.float32)
    txt, pooled, _ = pipe.encode_prompt("a red robot", None, max_sequence_length=24)
    with family.text_encoder() as encoder:
        got = encoder.encode("a red robot")
    assert torch.equal(got["txt"], txt[0]) and torch.equal(got["pooled"], pooled[0])


def test_text_encoders_too_large_for_the_gpu_say_the_same(family, monkeypatch, capfd):
    """On a card of 8 GB: T5-XXL alone takes 9.5."""
    with family.text_encoder() as encoder:
        wanted = encoder.encode("a cat in the snow")
    monkeypatch.setattr("trainer.family.has_room", lambda device, needed: False)
    with family.text_encoder() as encoder:
        got = encoder.encode("a cat in the snow")
        assert next(encoder.pipe.text_encoder_2.parameters()).is_meta, "it comes when it is at work"
    assert got.keys() == wanted.keys() and all(torch.equal(got[name], wanted[name]) for name in wanted)
    assert capfd.readouterr().out.count("waits in the host's memory") == 2


def test_a_model_without_guidance_is_fed_none(family, batch):
    fed = []

    def transformer(guidance, **_):
        fed.append(guidance)
        return (torch.zeros(3, 24, 64),)

    for guided in (True, False):
        model = Flux1(dataclasses.replace(family.base, is_guided=guided))
        model.predict(transformer, family.pack(batch.latents), batch, torch.tensor([0.1, 0.2, 0.3]), 1.0)
    assert fed[0].tolist() == [1.0, 1.0, 1.0] and fed[1] is None


def test_flux_rule_for_the_shift(family):
    wanted = {256: 0.5, 1024: 0.63, 2304: 0.846667, 4096: 1.15}  # mu by image tokens
    for tokens, mu in wanted.items():
        assert family.find_shift(tokens) == pytest.approx(math.exp(mu), rel=1e-6)


@pytest.mark.parametrize("guided", [True, False])
def test_every_weight_of_the_full_size_is_known_by_both_names(guided):
    """flux1-dev.safetensors and flux1-schnell.safetensors: built from the header alone as published, with nothing left over."""
    with torch.device("meta"):
        real = FluxTransformer2DModel(guidance_embeds=guided)
    theirs, recipe = promise(export_flux1(real.state_dict())), Flux1.recipes["transformer"]
    assert len(theirs) == 776 + 4 * guided
    config = recipe.infer(rename(theirs.shapes, recipe.keys))
    assert {name: real.config[name] for name in config} == config and config["guidance_embeds"] == guided
    wanted = {name: tuple(tensor.shape) for name, tensor in real.state_dict().items()}
    ours = translate(theirs, recipe.keys, wanted)
    assert ours.shapes == wanted and {source.place for source in ours.sources.values()} == {
        source.place for source in theirs.sources.values()
    }
