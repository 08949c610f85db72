"""Finding and loading the base model: what is wrong with a folder is said with the file and what to do."""

import json
import os
import shutil
import subprocess

import pytest
import torch

from tests.trainer.hub import Hub
from trainer import mini
from trainer.config import Model
from trainer.families import find_base, list_parts
from trainer.flux1 import Flux1
from trainer.model import ModelError, choose_device, choose_dtype, find_problems, fingerprint
from trainer.parts import Part

CPU = torch.device("cpu")


def problems_of(folder):
    return find_problems(list_parts(folder, Flux1), Flux1)


@pytest.fixture
def copy(tmp_path):
    shutil.copytree(mini.MODEL, tmp_path / "model")
    return tmp_path / "model"


def test_flux_mini_is_fine():
    assert problems_of(mini.MODEL) == []
    base = find_base(Model(base=str(mini.MODEL)), CPU).base
    assert (base.dtype, base.max_sequence_length, base.is_guided) == (torch.float32, 512, True)


def test_a_model_without_guidance_has_short_captions(copy):
    file = copy / "transformer" / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "guidance_embeds": False}))
    base = find_base(Model(base=str(copy)), CPU).base
    assert (base.max_sequence_length, base.is_guided) == (256, False)


@pytest.mark.parametrize(
    ("part", "problem"),
    [
        ("vae/config.json", "vae/config.json is missing: the folder is not whole, download it again"),
        ("tokenizer_2/tokenizer_config.json", "tokenizer_2/tokenizer_config.json is missing"),
        ("text_encoder/model.safetensors", "text_encoder/*.safetensors is missing: the weights are not there"),
    ],
)
def test_a_missing_file(copy, part, problem):
    (copy / part).unlink()
    assert [found[: len(problem)] for found in problems_of(copy)] == [problem]
    with pytest.raises(ModelError, match=r"the base model .* cannot be used"):
        find_base(Model(base=str(copy)), CPU)


def test_a_folder_that_is_no_model(copy):
    (copy / "model_index.json").unlink()
    with pytest.raises(ModelError, match=r"model_index.json is missing: got a folder without it, expected FLUX.1 "):
        find_base(Model(base=str(copy)), CPU)
    (copy / "flux1-dev.safetensors").touch()
    with pytest.raises(ModelError, match=r"got the single file flux1-dev.safetensors"):
        find_base(Model(base=str(copy)), CPU)


def test_an_interrupted_download(copy):
    file = copy / "vae" / "diffusion_pytorch_model.safetensors"
    whole = file.read_bytes()
    file.write_bytes(whole[:-1000])
    (problem,) = problems_of(copy)
    start = "vae/diffusion_pytorch_model.safetensors: got "
    assert problem == f"{start}{len(whole) - 1000} bytes, expected {len(whole)}: download it again"
    file.write_bytes(b"<html>not found</html>")
    assert "that is no .safetensors" in problems_of(copy)[0]
    file.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 2\n")
    assert "is a pointer of Git LFS instead of the weights; run: git lfs pull" in problems_of(copy)[0]


@pytest.mark.parametrize(
    "header",
    [
        b"\xff" * 400,  # a length beyond the file
        (100).to_bytes(8, "little") + b"\x00" * 392,  # no JSON
        (2).to_bytes(8, "little") + b"[]",  # no table
        (2).to_bytes(8, "little") + b"{}",  # of nothing
        (9).to_bytes(8, "little") + b'{"a": {}}',  # an entry that says nothing
        (200_000).to_bytes(8, "little") + b"[" * 200_000,  # nested without end
        b"",
    ],
)
def test_a_header_that_is_garbage_is_told_with_its_file(copy, header):
    (copy / "transformer" / "diffusion_pytorch_model.safetensors").write_bytes(header)
    (problem,) = problems_of(copy)
    start = f"transformer/diffusion_pytorch_model.safetensors: got a file of {len(header)} bytes that is no .safetensors"
    assert problem.startswith(start) and problem.endswith("download it again")


@pytest.mark.parametrize("name", ["vae/config.json", "tokenizer_2/tokenizer.json", "scheduler/scheduler_config.json"])
def test_settings_that_are_garbage_are_told_with_their_file(copy, name):
    (copy / name).write_bytes(b"<html>\xff")
    (problem,) = problems_of(copy)
    assert problem.startswith(f"{name}: got a file of 7 bytes that is no JSON") and problem.endswith("download it again")


def test_a_missing_shard(copy):
    weights = copy / "transformer" / "diffusion_pytorch_model.safetensors"
    shards = {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}
    weights.rename(weights.with_name(shards["a"]))
    (copy / "transformer" / "model.safetensors.index.json").write_text(json.dumps({"weight_map": shards}))
    assert problems_of(copy) == [f"transformer/{shards['b']} is missing: the folder is not whole, download it again"]


def test_other_models(copy):
    index = copy / "model_index.json"
    index.write_text(index.read_text().replace("FluxPipeline", "StableDiffusionPipeline"))
    with pytest.raises(ModelError, match="got the model class StableDiffusionPipeline, expected FluxPipeline"):
        find_base(Model(base=str(copy)), CPU)


def test_packing_that_is_not_flux1(copy):
    file = copy / "vae" / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "latent_channels": 32}))
    assert problems_of(copy)[0].startswith("got (in_channels, latent_channels, VAE blocks) = (64, 32, 4)")


@pytest.mark.parametrize("name", ["/nowhere/model", "./model", "model", "a/b/c"])
def test_a_folder_that_is_not_there(name):
    with pytest.raises(ModelError, match=r"there is no such folder; expected one, a \.safetensors file, or a name on the Hub"):
        find_base(Model(base=name), CPU)


def test_a_name_that_the_hub_cannot_give(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(ModelError, match="got neither a folder of that name nor the model from the Hub"):
        find_base(Model(base="nobody/such-a-model"), CPU)


def test_a_model_from_the_hub_is_downloaded_once_and_told(small, make_run, command, tmp_path):
    """A real training whose model comes from an HTTP server; the second time every byte is there."""
    hub = Hub("somebody/flux-mini", mini.MODEL)
    small["model"]["base"] = hub.name
    small["train"]["epochs"] = 1
    folder = make_run(small)
    environment = {**os.environ, "HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "hf"), "HF_HUB_OFFLINE": "0"}
    said = []
    for _ in ("downloaded", "there"):
        done = subprocess.run(command(folder), env=environment, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        assert done.stderr == "", "no bar of the library's"
        said.append([line[20:] for line in done.stdout.splitlines() if line[20:].startswith("Downloading ")])
    hub.shutdown()
    hub.server_close()
    wanted = [name for name in hub.files() if "/" in name or name == "model_index.json"]
    size = round(sum((mini.MODEL / name).stat().st_size for name in wanted) / 2**20)
    assert said[0][0] == said[1][0] == "Downloading somebody/flux-mini: what of it is not on this machine yet"
    assert said[0][-1] == f"Downloading somebody/flux-mini: {size} of {size} MiB" and len(said[1]) == 1
    assert sorted(hub.fetched) == sorted(wanted)


def test_device_and_dtype():
    assert choose_device(Model(base="x", device="cpu")) == CPU
    assert choose_dtype(Model(base="x"), CPU) == torch.float32
    assert choose_dtype(Model(base="x", dtype="bf16"), CPU) == torch.bfloat16
    if not torch.cuda.is_available():
        with pytest.raises(ModelError, match=r"model\.device: got cuda, but there is no usable GPU here"):
            choose_device(Model(base="x", device="cuda"))


def test_a_gpu_without_bf16(monkeypatch):
    """A card of before 2020, which PyTorch says has bf16 unless it is asked twice."""
    cuda = torch.device("cuda")
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: including_emulation)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (7, 5))
    assert choose_dtype(Model(base="x"), cuda) == choose_dtype(Model(base="x", dtype="fp32"), cuda) == torch.float32
    with pytest.raises(ModelError, match=r"model\.dtype: got bf16 on a GPU of compute capability 7\.5, which has none; .*fp32"):
        choose_dtype(Model(base="x", dtype="bf16"), cuda)


def test_a_fingerprint_sees_content(copy, monkeypatch):
    file = copy / "vae" / "diffusion_pytorch_model.safetensors"
    before = fingerprint(Part(copy / "vae"))
    assert before == fingerprint(Part(mini.MODEL / "vae"))
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    assert fingerprint(Part(copy / "vae")) != before
    monkeypatch.setattr("trainer.model.WHOLE", 1000)  # by pieces, as large files are read
    changed = fingerprint(Part(copy / "vae"))
    file.write_bytes(bytes(data[:-1]) + bytes([data[-1] ^ 1]))
    assert fingerprint(Part(copy / "vae")) != changed


def test_a_fingerprint_misses_nothing_in_files_of_the_size_of_the_vae(tmp_path):
    file = tmp_path / "vae.safetensors"
    with file.open("wb") as stream:
        stream.truncate(160 * 2**20)
    before = fingerprint(Part(tmp_path))
    with file.open("r+b") as stream:
        stream.seek(2 * 2**20)
        stream.write(b"x")
    assert fingerprint(Part(tmp_path)) != before


def test_text_encoders_leave_when_the_block_ends():
    with find_base(Model(base=str(mini.MODEL), max_sequence_length=24), CPU).text_encoder() as encoders:
        assert encoders.encode("a cat")["txt"].shape == (24, 96)
        assert encoders.pipe.transformer is None and encoders.pipe.vae is None
    assert encoders.pipe is None


def test_a_latent_is_the_mean_shifted_and_scaled():
    vae = find_base(Model(base=str(mini.MODEL)), CPU).load_vae()
    image = torch.rand(3, 64, 64, generator=torch.Generator().manual_seed(1)) * 2 - 1
    config = vae.model.config
    with torch.no_grad():
        mean = vae.model.encode(image[None]).latent_dist.mean[0]
    assert torch.equal(vae.encode(image), (mean - config.shift_factor) * config.scaling_factor)
    smooth = torch.linspace(-0.5, 0.5, 64).expand(3, 64, 64)
    assert (vae.decode(vae.encode(smooth)[None])[0] - smooth).abs().mean() < 0.1


def test_the_transformer_is_frozen_and_in_the_asked_dtype():
    transformer = find_base(Model(base=str(mini.MODEL), dtype="bf16"), CPU).load_transformer()
    assert {parameter.dtype for parameter in transformer.parameters()} == {torch.bfloat16}
    assert not any(parameter.requires_grad for parameter in transformer.parameters())


def test_weights_of_another_model_are_told_with_the_folder(copy):
    shutil.copy(copy / "vae" / "diffusion_pytorch_model.safetensors", copy / "transformer")
    with pytest.raises(ModelError, match=r"transformer: .*/transformer: got a VAE, expected FLUX\.1's transformer"):
        find_base(Model(base=str(copy)), CPU)


def test_a_file_that_was_cut_off_after_it_was_checked(copy):
    family, file = find_base(Model(base=str(copy)), CPU), copy / "vae" / "diffusion_pytorch_model.safetensors"
    file.write_bytes(file.read_bytes()[:-1000])
    with pytest.raises(ModelError, match=r"vae: .*diffusion_pytorch_model\.safetensors: got .* download it again"):
        family.load_vae()
