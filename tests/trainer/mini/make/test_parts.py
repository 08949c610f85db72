"""The parts: as large as flux-mini's own, saved and loaded whole, read as FluxPipeline reads."""

import pytest
import torch
from diffusers import FluxPipeline
from safetensors import safe_open

from trainer.flow import Batch
from trainer.mini import MODEL
from trainer.mini.make.parts import FLUX, Parts, draw_noise, new_vae

FILES = {"transformer": "diffusion_pytorch_model", "vae": "diffusion_pytorch_model"}
FILES |= {"text_encoder": "model", "text_encoder_2": "model"}


def shapes_on_disk(part):
    with safe_open(MODEL / part / f"{FILES[part]}.safetensors", "pt") as file:
        return {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118 (not a dict)


def test_fresh_parts_have_the_shapes_of_flux_mini(with_words):
    parts = Parts.new(with_words)
    fresh = {"transformer": parts.transformer, "vae": new_vae(), "text_encoder": parts.clip, "text_encoder_2": parts.t5}
    for part, model in fresh.items():
        there = shapes_on_disk(part)
        ours = {name: tuple(value.shape) for name, value in model.state_dict().items()}
        assert {name: ours[name] for name in there} == there


def test_a_fresh_transformer_predicts_nothing(with_words):
    parts, img = Parts.new(with_words), torch.randn(2, 36, 64)
    batch = Batch(torch.zeros(2, 16, 12, 12), parts.read(["a cat", ""], 24))
    velocity = FLUX.predict(parts.transformer, img, batch, torch.tensor([0.2, 0.9]), 1.0)
    assert velocity.shape == img.shape
    assert velocity.abs().max() == 0


def test_saved_parts_come_back(with_words, tmp_path):
    parts = Parts.new(with_words)
    parts.save(tmp_path)
    again = Parts.load(with_words, tmp_path)
    assert all(torch.equal(one, other) for one, other in zip(parts.weights(), again.weights(), strict=True))


@pytest.mark.parametrize("length", [16, 24, 512])
def test_text_is_read_as_the_pipeline_reads_it(length):
    pipe = FluxPipeline.from_pretrained(MODEL, dtype=torch.float32, local_files_only=True)
    parts = Parts(pipe.tokenizer, pipe.tokenizer_2, pipe.text_encoder, pipe.text_encoder_2, pipe.transformer)
    captions = ["a cat on a blue background", ""]
    with torch.no_grad():
        words = parts.read(captions, length)
        expected_txt, expected_pooled, _ = pipe.encode_prompt(captions, None, max_sequence_length=length)
    assert torch.allclose(words["txt"], expected_txt, atol=1e-5)
    assert torch.allclose(words["pooled"], expected_pooled, atol=1e-5)


def test_noise_levels_are_those_of_the_sampler():
    """Half of the levels lie above the shifted middle, sigma = shift / (1 + shift) with shift = e^0.463 for 36 tokens."""
    noise = draw_noise(torch.zeros(2000, 16, 12, 12), torch.Generator().manual_seed(1))
    assert noise.noise.shape == (2000, 36, 64)
    assert noise.sigmas.median() == pytest.approx(0.614, abs=0.02)
    assert 0 < noise.sigmas.min() < noise.sigmas.max() < 1
