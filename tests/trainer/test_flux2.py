"""FLUX.2 klein against diffusers' own pipeline: the same tensors from the same weights, and a LoRA that it loads."""

import dataclasses
import json

import pytest
import torch
from diffusers import Flux2KleinPipeline, Flux2Transformer2DModel
from diffusers.loaders.single_file_utils import convert_flux2_transformer_checkpoint_to_diffusers
from diffusers.pipelines.flux2.pipeline_flux2_klein import compute_empirical_mu
from safetensors.torch import load_file, save_file

from tests.trainer.klein import make_klein
from tests.trainer.original import export_flux2, export_vae, promise
from trainer.config import Model
from trainer.families import find_base
from trainer.flow import Batch
from trainer.flux2 import Flux2Klein, list_sigmas, make_img_ids, make_txt_ids
from trainer.model import ModelError
from trainer.names import rename, translate
from trainer.prompts import Picture

CPU = torch.device("cpu")
LENGTH = 64  # tokens: a byte each


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_klein(tmp_path_factory.mktemp("klein") / "FLUX.2-klein-base-mini")


@pytest.fixture(scope="module")
def pipe(folder):
    pipe = Flux2KleinPipeline.from_pretrained(folder, dtype=torch.float32)
    pipe.set_progress_bar_config(disable=True)
    return pipe


@pytest.fixture
def klein(folder):
    return find_base(Model(base=str(folder), dtype="fp32", max_sequence_length=LENGTH), CPU)


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(5)
    return Batch(torch.randn(2, 32, 8, 12, generator=generator), {"txt": torch.randn(2, 7, 48, generator=generator)})


def test_it_is_found_by_its_pipeline(klein):
    assert isinstance(klein, Flux2Klein) and not klein.base.is_guided and not klein.is_distilled
    assert find_base(Model(base=klein.base.name), CPU).base.max_sequence_length == 512


def test_what_is_distilled_is_told_by_the_pipeline_or_the_name_of_the_file(klein):
    told = {"/database/flux-2-klein-4b.safetensors": True, "models/flux-2-klein-base-4b.safetensors": False}
    for name, is_distilled in told.items():
        assert Flux2Klein(dataclasses.replace(klein.base, name=name, options={})).is_distilled == is_distilled
        assert Flux2Klein(dataclasses.replace(klein.base, name=name, options={"is_distilled": True})).is_distilled


def test_ids_and_packing_are_the_pipelines(klein, batch):
    patches = Flux2KleinPipeline._patchify_latents(batch.latents)
    packed = klein.pack(batch.latents)
    assert torch.equal(packed, Flux2KleinPipeline._pack_latents(patches))
    assert torch.equal(klein.unpack(packed, 8, 12), batch.latents)
    assert torch.equal(make_img_ids(8, 12), Flux2KleinPipeline._prepare_latent_ids(patches)[0].float())
    assert torch.equal(make_txt_ids(7), Flux2KleinPipeline._prepare_text_ids(batch.conditions["txt"])[0].float())


@torch.no_grad()
def test_latents_are_normalised_as_by_the_pipeline(klein, pipe):
    image = torch.rand(3, 64, 96, generator=torch.Generator().manual_seed(1)) * 2 - 1
    vae = klein.load_vae()
    latent = vae.encode(image)
    wanted = pipe._encode_vae_image(image[None], None)  # (1, 128, 4, 6)
    torch.testing.assert_close(klein.pack(latent[None]), pipe._pack_latents(wanted), rtol=0, atol=1e-6)
    back = pipe.vae.encode(image[None]).latent_dist.mode()
    torch.testing.assert_close(vae.decode(latent[None]), pipe.vae.decode(back).sample, rtol=1e-5, atol=1e-5)


@torch.no_grad()
def test_texts_are_encoded_as_by_the_pipeline(klein, pipe):
    with klein.text_encoder() as encoder:
        assert len(encoder.model.layers) == 28, "what is above the last layer that is looked at is not even loaded"
        short, long = encoder.encode("a cat"), encoder.encode("a cat " * 30)
    assert encoder.model is None
    for text, got in (("a cat", short), ("a cat " * 30, long)):
        wanted, _ = pipe.encode_prompt(text, max_sequence_length=LENGTH)
        assert got["txt"].shape == (LENGTH, 48) and torch.equal(got["txt"], wanted[0])
    assert short["tokens"] < LENGTH < long["tokens"]


@torch.no_grad()
def test_the_loss_is_the_references(klein, pipe, batch):
    """Written with the pipeline's own functions, as diffusers' train_dreambooth_lora_flux2_klein.py does."""
    sigmas, noise = torch.tensor([0.3, 0.8]), torch.randn(2, 32, 8, 12, generator=torch.Generator().manual_seed(2))
    clean, dirt = pipe._patchify_latents(batch.latents), pipe._patchify_latents(noise)  # (B, 128, H/2, W/2)
    noisy = (1 - sigmas[:, None, None, None]) * clean + sigmas[:, None, None, None] * dirt
    txt, ids = batch.conditions["txt"], pipe._prepare_latent_ids(noisy)
    answer = pipe.transformer(
        hidden_states=pipe._pack_latents(noisy),
        timestep=sigmas * 1000 / 1000,
        guidance=None,
        encoder_hidden_states=txt,
        txt_ids=pipe._prepare_text_ids(txt),
        img_ids=ids,
        return_dict=False,
    )[0]
    wanted = (pipe._unpack_latents_with_ids(answer, ids) - (dirt - clean)).square().mean()

    img, target = klein.pack(batch.latents), klein.pack(noise)
    ours = (1 - sigmas[:, None, None]) * img + sigmas[:, None, None] * target
    velocity = klein.predict(klein.load_transformer(), ours, batch, sigmas, 1.0)
    assert (velocity - (target - img)).square().mean().item() == pytest.approx(wanted.item(), abs=1e-5)
    torch.testing.assert_close(velocity, answer, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("distilled", "guidance", "cfg"), [(False, 4.0, 1.0), (False, 1.0, 3.0), (False, 1.0, 1.0), (True, 4.0, 1.0)]
)
@torch.no_grad()
def test_pictures_are_the_pipelines(klein, pipe, distilled, guidance, cfg):
    pipe.register_to_config(is_distilled=distilled)
    klein = Flux2Klein(dataclasses.replace(klein.base, options={"is_distilled": distilled}))
    draw = torch.Generator().manual_seed(3)
    text, other = torch.randn(1, 9, 48, generator=draw), torch.randn(1, 9, 48, generator=draw)
    wanted = pipe(
        prompt_embeds=text, negative_prompt_embeds=other, height=64, width=96, num_inference_steps=3,
        guidance_scale=max(guidance, cfg), generator=torch.Generator().manual_seed(11), output_type="latent",
    ).images  # fmt: skip
    picture = Picture("x", width=96, height=64, steps=3, guidance=guidance, cfg=cfg, seed=11)
    got = klein.draw(klein.load_transformer(), picture, {"txt": text[0]}, {"txt": other[0]})
    assert got.shape == (1, 32, 8, 12)
    assert klein.draws_with_guidance != distilled and klein.find_cfg(picture) == (1 if distilled else max(guidance, cfg))
    plain = klein.load_vae()._plain(got)
    torch.testing.assert_close(plain, wanted, rtol=0, atol=1e-4)


@pytest.mark.parametrize(("tokens", "steps"), [(1024, 4), (4096, 50), (4400, 20), (24, 3)])
def test_noise_levels_of_a_drawing(tokens, steps):
    mu = compute_empirical_mu(tokens, steps)
    sigmas = torch.linspace(1, 1 / steps, steps, dtype=torch.float64)
    wanted = [*(torch.exp(torch.tensor(mu)) / (torch.exp(torch.tensor(mu)) + 1 / sigmas - 1)).tolist(), 0.0]
    assert list_sigmas(tokens, steps) == pytest.approx(wanted, abs=1e-6)


def test_the_shift_is_the_rule_for_many_steps(klein):
    for tokens in (256, 1024, 4096):
        assert klein.find_shift(tokens) == pytest.approx(torch.tensor(compute_empirical_mu(tokens, 200)).exp().item(), rel=1e-6)


def test_single_files_in_their_authors_names(klein, folder, tmp_path):
    """flux-2-klein-base-4b.safetensors, flux2-vae.safetensors and qwen_3_4b.safetensors, as ComfyUI users have them."""
    transformer, vae = klein.load_transformer().state_dict(), klein.load_vae().model.state_dict()
    theirs = {name: tensor.contiguous() for name, tensor in export_flux2(transformer).items()}
    again = convert_flux2_transformer_checkpoint_to_diffusers(dict(theirs))
    assert again.keys() == transformer.keys() and all(torch.equal(again[name], transformer[name]) for name in again)
    save_file(theirs, tmp_path / "flux-2-klein-base-mini.safetensors")
    save_file(
        {name: tensor.contiguous() for name, tensor in export_vae(vae, inside=True).items()}, tmp_path / "flux2-vae.safetensors"
    )
    qwen = load_file(folder / "text_encoder" / "model.safetensors")
    save_file(qwen, tmp_path / "qwen.safetensors")
    files = {"transformer": "flux-2-klein-base-mini", "vae": "flux2-vae", "qwen": "qwen"}
    given = {name: str(tmp_path / f"{file}.safetensors") for name, file in files.items()}
    mixed = find_base(Model(base=str(folder), **given), CPU)
    for part, before in (("transformer", transformer), ("vae", vae)):
        after = mixed.load(part, torch.float32, CPU).state_dict()
        assert all(torch.equal(after[name], tensor) for name, tensor in before.items() if "num_batches" not in name)

    single = find_base(Model(base=given.pop("transformer"), **given, tokenizers=str(folder)), CPU)
    assert isinstance(single, Flux2Klein) and not single.is_distilled
    assert all(torch.equal(tensor, transformer[name]) for name, tensor in single.load_transformer().state_dict().items())
    with single.text_encoder() as one, klein.text_encoder() as other:
        other.length = one.length
        assert torch.equal(one.encode("a cat")["txt"], other.encode("a cat")["txt"])


@pytest.mark.parametrize(("layers", "single", "heads", "text"), [(5, 20, 24, 7680), (8, 24, 32, 12288)])
def test_every_weight_of_the_full_size_is_known_by_both_names(layers, single, heads, text):
    """klein 4B and 9B, as diffusers' convert_flux2_to_diffusers.py has their sizes."""
    sizes = {"num_layers": layers, "num_single_layers": single, "num_attention_heads": heads, "joint_attention_dim": text}
    with torch.device("meta"):
        real = Flux2Transformer2DModel(**sizes, guidance_embeds=False)
    theirs, recipe = promise(export_flux2(real.state_dict())), Flux2Klein.recipes["transformer"]
    config = recipe.infer(rename(theirs.shapes, recipe.keys))
    assert {name: real.config[name] for name in config} == config
    wanted = {name: tuple(tensor.shape) for name, tensor in real.state_dict().items()}
    ours = translate(theirs, recipe.keys, wanted)
    assert ours.shapes == wanted and {source.place for source in ours.sources.values()} == {
        source.place for source in theirs.sources.values()
    }


def test_a_text_encoder_of_another_size_is_told(folder, tmp_path):
    file = tmp_path / "model" / "text_encoder" / "config.json"
    make_klein(tmp_path / "model")
    file.write_text(json.dumps({**json.loads(file.read_text()), "hidden_size": 32}))
    with pytest.raises(ModelError, match="got a Qwen3 that gives 96 channels, expected 48: klein 4B goes with Qwen3-4B"):
        find_base(Model(base=str(tmp_path / "model")), CPU)


@pytest.fixture
def settings(small, folder):
    small["model"] |= {"base": str(folder), "max_sequence_length": LENGTH}
    small["train"]["epochs"] = 2
    return small


@pytest.mark.parametrize("targets", ["all", "attention"])
def test_a_training_ends_in_a_lora_that_the_pipeline_loads(settings, folder, learn, targets):
    """Nothing but the family knows that it is not FLUX.1: cache, loop, samples, states and the file."""
    settings["lora"]["targets"] = targets
    settings["sample"] |= {"every_epochs": 1, "prompts": ["a [trigger] --l 2 --n blurry"]}
    run = learn(settings)
    assert len(list(run.samples.glob("*.png"))) == 3
    pipe = Flux2KleinPipeline.from_pretrained(folder, dtype=torch.float32)
    pipe.load_lora_weights(str(run.lora))
    loaded = {name for name, weight in pipe.transformer.named_parameters() if ".lora_" in name}
    learned = load_file(run.lora)
    assert len(loaded) == len(learned) and any(weight.any() for name, weight in learned.items() if "lora_B" in name)
    assert any("single_transformer_blocks.1.attn.to_qkv_mlp_proj" in name for name in loaded)
    assert any("ff_context.linear_in" in name for name in loaded) == (targets == "all")


@pytest.mark.parametrize("quantise", ["none", "int8", "nf4"])
def test_a_training_goes_on_bit_for_bit(settings, learn, quantise):
    """As it is and in few bits, with some blocks checkpointed."""
    settings["model"]["quantise"], settings["train"]["gradient_checkpointing"] = quantise, 2
    whole = learn(settings, "whole")
    again = learn(settings, "again", whole.epoch_state(1))
    ours, wanted = load_file(again.lora), load_file(whole.lora)
    assert ours.keys() == wanted.keys() and all(torch.equal(ours[name], wanted[name]) for name in wanted)
