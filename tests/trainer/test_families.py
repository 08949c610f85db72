"""Which family a base model is of, and where its parts lie: folders, single files, and what is said when one is missing."""

import dataclasses
import json
import os
import shutil
import subprocess
import sys

import pytest
import torch
from diffusers import AutoencoderKL, FluxTransformer2DModel
from safetensors.torch import load_file, save_file
from transformers import CLIPTextConfig, CLIPTextModel

from tests.trainer.conftest import ROOT
from tests.trainer.hub import Hub
from tests.trainer.klein import make_klein
from tests.trainer.original import export_flux1, export_vae
from trainer import mini
from trainer.config import Model
from trainer.families import FAMILIES, choose_family, find_base
from trainer.model import ModelError

CPU = torch.device("cpu")
LEVELS = {"down_block_types": ("DownEncoderBlock2D",) * 4, "up_block_types": ("UpDecoderBlock2D",) * 4}


def problem_of(**settings):
    with pytest.raises(ModelError) as told:
        find_base(Model(**settings), CPU)
    (problem,) = told.value.problems
    return problem


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """flux-mini's weights in one flat folder, named by their authors, as in ComfyUI's models folder."""
    folder = tmp_path_factory.mktemp("models")
    transformer = FluxTransformer2DModel.from_pretrained(mini.MODEL, subfolder="transformer")
    vae = AutoencoderKL.from_pretrained(mini.MODEL, subfolder="vae")
    save_file(export_flux1(transformer.state_dict()), folder / "flux1-dev.safetensors")
    named = {name: tensor.contiguous() for name, tensor in export_vae(vae.state_dict()).items()}
    save_file(named, folder / "ae.safetensors")
    clip = load_file(mini.MODEL / "text_encoder" / "model.safetensors")
    save_file({f"text_model.{name}": tensor for name, tensor in clip.items()}, folder / "clip_l.safetensors")
    shutil.copy(mini.MODEL / "text_encoder_2" / "model.safetensors", folder / "t5xxl_fp16.safetensors")
    return folder


@pytest.fixture
def given(files):
    """With a folder that says how parts are built (flux-mini's sizes are none that FLUX.1 has), and files for the rest."""
    names = {"transformer": "flux1-dev", "vae": "ae", "clip": "clip_l", "t5": "t5xxl_fp16"}
    return {"base": str(mini.MODEL)} | {name: str(files / f"{file}.safetensors") for name, file in names.items()}


def test_by_the_class_of_its_pipeline(tmp_path):
    for family in FAMILIES:
        for pipeline in family.pipelines:
            (tmp_path / "model_index.json").write_text(json.dumps({"_class_name": pipeline}))
            assert choose_family("x", tmp_path) is family


def test_what_is_no_model_is_told_with_the_choices(tmp_path):
    for said in ("", "[]", '{"_class_name": "StableDiffusionXLPipeline"}'):
        (tmp_path / "model_index.json").write_text(said)
        choices = r"FluxPipeline \(FLUX\.1\) or FluxKontextPipeline \(FLUX\.1\) or Flux2KleinPipeline \(FLUX\.2 klein\)"
        with pytest.raises(ModelError, match=rf"got the model class .*, expected {choices}"):
            choose_family("x", tmp_path)


def test_a_base_is_opened_with_what_its_family_says(small):
    family = find_base(Model(base=str(mini.MODEL)), CPU)
    assert type(family) in FAMILIES and family.base.max_sequence_length == family.text_length(family.base.is_guided)


def test_files_give_the_same_model(given):
    single, folder = find_base(Model(**given), CPU), find_base(Model(base=str(mini.MODEL)), CPU)
    for part in single.recipes:
        ours, wanted = (family.load(part, torch.float32, CPU).state_dict() for family in (single, folder))
        assert ours.keys() == wanted.keys() and all(torch.equal(ours[name], wanted[name]) for name in wanted), part
        assert single.fingerprint(part) != folder.fingerprint(part), "other bytes, so a cache of its own"


def test_a_fingerprint_is_of_what_is_in_a_file_not_of_its_name(given, files, tmp_path):
    shutil.copy(files / "ae.safetensors", tmp_path / "ae.sft")  # as FluxGym had it
    before = find_base(Model(**given), CPU).fingerprint("vae")
    assert find_base(Model(**given | {"vae": str(tmp_path / "ae.sft")}), CPU).fingerprint("vae") == before


def test_a_training_from_single_files_without_a_network(small, given, learn, monkeypatch):
    monkeypatch.setattr("socket.socket.connect", lambda *_: pytest.fail("it went to the network"))
    small["train"]["epochs"] = 1
    one, other = learn(small, "one"), learn(small | {"model": small["model"] | given}, "other")
    ours, wanted = load_file(other.lora), load_file(one.lora)
    assert ours.keys() == wanted.keys() and all(torch.equal(ours[name], wanted[name]) for name in wanted)


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """[model] of nothing but files: with the heads of the full models, so that the weights alone say how all is built."""
    folder = tmp_path_factory.mktemp("comfy")
    torch.manual_seed(0)
    sizes = {"num_attention_heads": 1, "num_layers": 1, "num_single_layers": 1}
    text = {"joint_attention_dim": 96, "pooled_projection_dim": 64, "guidance_embeds": True}
    clip = {"hidden_size": 64, "num_attention_heads": 1, "num_hidden_layers": 1, "intermediate_size": 64, "vocab_size": 1290}
    vae = AutoencoderKL(
        block_out_channels=(32,) * 4, latent_channels=16, use_quant_conv=False, use_post_quant_conv=False, **LEVELS
    )
    states = {
        "flux1-dev": export_flux1(FluxTransformer2DModel(**sizes, **text).state_dict()),
        "ae": export_vae(vae.state_dict()),
        "clip_l": {f"text_model.{name}": tensor for name, tensor in CLIPTextModel(CLIPTextConfig(**clip)).state_dict().items()},
        "t5xxl_fp16": load_file(mini.MODEL / "text_encoder_2" / "model.safetensors"),
    }
    for name, state in states.items():
        save_file({key: tensor.contiguous() for key, tensor in state.items()}, folder / f"{name}.safetensors")
    prefixes = {"flux1-dev": "model.diffusion_model.", "ae": "vae.", "clip_l": "text_encoders.clip_l.transformer."}
    prefixes["t5xxl_fp16"] = "text_encoders.t5xxl.transformer."
    whole = {f"{prefixes[name]}{key}": tensor.contiguous() for name, state in states.items() for key, tensor in state.items()}
    save_file(whole, folder / "all.safetensors")
    files = {"base": "flux1-dev", "vae": "ae", "clip": "clip_l", "t5": "t5xxl_fp16"}
    return {name: str(folder / f"{file}.safetensors") for name, file in files.items()} | {"tokenizers": str(mini.MODEL)}


def test_a_training_from_nothing_but_files(small, alone, learn):
    """Four files as ComfyUI has them, then the one that holds all parts: the same LoRA, and pictures on the way."""
    small["train"]["epochs"] = 1
    small["sample"]["every_epochs"] = 1
    one = learn(small | {"model": small["model"] | alone}, "one")
    whole = {"base": alone["base"].replace("flux1-dev", "all"), "tokenizers": alone["tokenizers"]}
    other = learn(small | {"model": small["model"] | whole}, "other")
    ours, wanted = load_file(other.lora), load_file(one.lora)
    assert ours.keys() == wanted.keys() and all(torch.equal(ours[name], wanted[name]) for name in wanted)
    assert len(list(one.samples.glob("*.png"))) == 2


def test_noise_levels_beside_a_single_file_are_those_of_the_published_model(alone):
    single, folder = find_base(Model(**alone), CPU), find_base(Model(base=str(mini.MODEL)), CPU)
    ours, published = single._load_scheduler().config, folder._load_scheduler().config
    named = ("shift", "use_dynamic_shifting", "base_shift", "max_shift", "base_image_seq_len", "max_image_seq_len")
    assert {name: ours[name] for name in named} == {name: published[name] for name in named}
    schnell = type(single)(dataclasses.replace(single.base, is_guided=False))
    assert schnell._load_scheduler().config["shift"] == 1 and not schnell._load_scheduler().config["use_dynamic_shifting"]


def test_a_transformer_alone_says_what_else_is_needed(files, tmp_path):
    """Text encoders and VAE are asked for by the names of their settings."""
    base = str(files / "flux1-dev.safetensors")
    tokens = {"tokenizers": str(mini.MODEL)}
    problem = problem_of(base=base, vae=str(files / "ae.safetensors"), **tokens)
    asked = "expected also model.clip (CLIP-L), model.t5 (T5-XXL)"
    assert problem == f"holds the transformer without text_encoder, text_encoder_2; {asked}"


def test_a_missing_tokenizer_is_told_with_the_place(alone, tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    cure = "set model.tokenizers to a folder that holds tokenizer/ and tokenizer_2/, or to black-forest-labs/FLUX.1-dev"
    assert cure in problem_of(**alone | {"tokenizers": None})
    shutil.copytree(mini.MODEL / "tokenizer", tmp_path / "half" / "tokenizer")
    problem = problem_of(**alone | {"tokenizers": str(tmp_path / "half")})
    assert problem.startswith(f"model.tokenizers: got {tmp_path / 'half'} without tokenizer_2/tokenizer_config.json, expected ")


def test_all_that_is_missing_is_told_at_once(alone, tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    with pytest.raises(ModelError) as told:
        find_base(Model(base=alone["base"]), CPU)
    parts, tokenizers = told.value.problems
    assert parts.endswith("expected also model.vae (FLUX.1's VAE), model.clip (CLIP-L), model.t5 (T5-XXL)")
    assert "set model.tokenizers" in tokenizers


def test_tokenizers_of_an_earlier_download_are_found(given, files, tmp_path, monkeypatch):
    snapshot = tmp_path / "hub" / "models--black-forest-labs--FLUX.1-schnell" / "snapshots" / "abc"
    for part in ("tokenizer", "tokenizer_2"):
        shutil.copytree(mini.MODEL / part, snapshot / part)
    (snapshot.parent.parent / "refs").mkdir()
    (snapshot.parent.parent / "refs" / "main").write_text("abc")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    parts = {
        name: str(mini.MODEL / part) for name, part in (("vae", "vae"), ("clip", "text_encoder"), ("t5", "text_encoder_2"))
    }
    family = find_base(
        Model(**parts | {"base": str(files / "flux1-dev.safetensors"), "transformer": str(mini.MODEL / "transformer")}), CPU
    )
    assert family.base.parts["tokenizer_2"].path == snapshot / "tokenizer_2"
    with family.text_encoder() as encoder:
        assert encoder.encode("a cat")["pooled"].shape == (64,)


@pytest.mark.parametrize(
    ("names", "problem"),
    [
        (["model.diffusion_model.input_blocks.0.0.weight", "conditioner.x.weight"], "got Stable Diffusion 1, 2 or XL"),
        (["lora_unet_double_blocks_0_img_attn_qkv.lora_down.weight"], "got a LoRA"),
        (["distilled_guidance_layer.in_proj.weight", "double_blocks.0.img_attn.proj.weight"], "got Chroma"),
        (["decoder.conv_in.weight", "decoder.up.0.block.0.conv1.weight"], "got a VAE"),
        (["text_model.embeddings.token_embedding.weight"], "got a CLIP text encoder"),
    ],
)
def test_a_single_file_of_another_kind(tmp_path, names, problem):
    save_file({name: torch.zeros(1) for name in names}, tmp_path / "x.safetensors")
    assert problem_of(base=str(tmp_path / "x.safetensors")) == f"{problem}, expected the transformer of FLUX.1 or FLUX.2 klein"


def test_a_file_that_is_damaged_or_in_the_wrong_place(given, files, tmp_path):
    half = tmp_path / "half.safetensors"
    whole = (files / "ae.safetensors").read_bytes()
    half.write_bytes(whole[:-10])
    sizes = f"got {len(whole) - 10} bytes, expected {len(whole)}: download it again"
    assert problem_of(**given | {"vae": str(half)}) == f"vae: {half}: {sizes}"
    assert problem_of(base=str(half)) == f"transformer: {half}: {sizes}"
    swapped = problem_of(**given | {"vae": given["t5"]})
    assert swapped == f"vae: {given['t5']}: got a T5 text encoder, expected FLUX.1's VAE"
    gone = problem_of(**given | {"t5": "/nowhere/t5.safetensors"})
    assert gone == "model.t5: got /nowhere/t5.safetensors, which is not there; expected a .safetensors file or a folder"
    (tmp_path / "page.safetensors").write_bytes(b"<!DOCTYPE html><html>Log in</html>")
    assert "it is a web page" in problem_of(**given | {"clip": str(tmp_path / "page.safetensors")})


def test_parts_that_are_each_whole_but_not_of_one_model(given, tmp_path):
    vae = AutoencoderKL(block_out_channels=(32, 32, 32, 32), layers_per_block=2, **LEVELS)  # SDXL's: 4 channels
    named = {name: tensor.contiguous() for name, tensor in export_vae(vae.state_dict()).items()}
    save_file(named, tmp_path / "sdxl_vae.safetensors")
    base = {"base": str(tmp_path / "model"), "vae": str(tmp_path / "sdxl_vae.safetensors")}
    shutil.copytree(mini.MODEL, tmp_path / "model")
    shutil.rmtree(tmp_path / "model" / "vae")
    (tmp_path / "model" / "vae").mkdir()
    (tmp_path / "model" / "vae" / "config.json").write_text(json.dumps(dict(vae.config)))
    problem = problem_of(**base)
    assert problem.startswith("got (in_channels, latent_channels, VAE blocks) = (64, 4, 4), expected (64, 16, 4)")
    assert problem.endswith(f"looked at {tmp_path / 'sdxl_vae.safetensors'}")
    clip = CLIPTextModel(CLIPTextConfig(hidden_size=128, num_attention_heads=2, num_hidden_layers=1))
    clip.save_pretrained(tmp_path / "clip")
    problem = problem_of(base=str(mini.MODEL), clip=str(tmp_path / "clip"))
    assert problem == "got text encoders of (CLIP, T5) = (128, 96) channels, expected (64, 96), which the transformer takes"


def test_a_klein_with_the_parts_of_another_family(given, tmp_path):
    klein = make_klein(tmp_path / "klein")
    assert problem_of(base=str(klein), vae=given["vae"]).startswith(
        f"vae: {given['vae']}: expected the weights of FLUX.2's VAE, but "
    )


def test_a_part_that_the_family_does_not_have_is_told(given, capsys):
    find_base(Model(base=str(mini.MODEL), qwen="somewhere.safetensors"), CPU)
    assert "model.qwen: somewhere.safetensors is ignored, FLUX.1 has no such part" in capsys.readouterr().out


def test_weights_that_are_given_are_not_downloaded(given, tmp_path):
    hub = Hub("somebody/flux-mini", mini.MODEL)
    environment = {**os.environ, "HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "hf"), "HF_HUB_OFFLINE": "0"}
    find = f"find_base(Model(**{given | {'base': hub.name}!r}), torch.device('cpu')).load_vae()"
    program = f"import torch\nfrom trainer.config import Model\nfrom trainer.families import find_base\n{find}"
    try:
        subprocess.run([sys.executable, "-c", program], cwd=ROOT, env=environment, check=True, timeout=120, capture_output=True)
    finally:
        hub.shutdown()
        hub.server_close()
    assert not any(name.endswith(".safetensors") for name in hub.fetched) and "vae/config.json" in hub.fetched


def test_kontext_is_of_flux1(small, tmp_path):
    shutil.copytree(mini.MODEL, tmp_path / "kontext")
    index = tmp_path / "kontext" / "model_index.json"
    index.write_text(index.read_text().replace("FluxPipeline", "FluxKontextPipeline"))
    assert find_base(Model(base=str(index.parent)), torch.device("cpu")).title == "FLUX.1"
