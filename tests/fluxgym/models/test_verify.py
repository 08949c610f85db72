"""Whether a base model is whole, told by its folders and headers, before a training finds out."""

import pytest

from fluxgym.models.verify import find_folder_faults, find_model_problems, find_parts, is_whole
from tests.fluxgym.models.conftest import NAME
from trainer.config import parse_config
from trainer.header import WeightsError
from trainer.mini import MODEL

VAE = "vae/diffusion_pytorch_model.safetensors"


def problems_of(**model):
    return find_model_problems(parse_config({"name": "x", "model": model, "data": {"folder": "x"}}, "test"))


def cut(file):
    data = file.read_bytes()
    file.unlink()
    file.write_bytes(data[: len(data) // 2])


def test_a_whole_one(copy, cached):
    for base in (str(copy), str(MODEL), NAME):
        assert problems_of(base=base) == [] and is_whole(base)
    assert problems_of(base="nobody/not-here-yet") == [] and not is_whole("nobody/not-here-yet")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        (VAE, "*.safetensors is missing"),
        ("vae/config.json", "config.json is missing"),
        ("model_index.json", "model_index.json is missing or damaged, expected FLUX.1 or FLUX.2 klein in diffusers format"),
        ("tokenizer_2/tokenizer.json", "has none of tokenizer.json"),
    ],
)
def test_what_is_missing_in_a_folder(copy, name, words):
    (copy / name).unlink()
    (problem,) = find_folder_faults(copy)
    assert words in problem and problems_of(base=str(copy)) == [problem] and not is_whole(str(copy))


def test_what_is_missing_of_a_download_is_no_problem_but_what_is_cut_off_is(cached):
    (cached / VAE).unlink()
    assert problems_of(base=NAME) == [] and not is_whole(NAME)
    cut(cached / "text_encoder" / "model.safetensors")
    (problem,) = problems_of(base=NAME)
    assert "text_encoder/model.safetensors: got" in problem and "download it again" in problem


def test_parts_given_by_themselves(copy):
    (copy / VAE).rename(copy / "ae.safetensors")
    assert len(problems_of(base=str(copy))) == 1
    assert problems_of(base=str(copy), vae=str(copy / "ae.safetensors")) == []
    assert problems_of(base=str(copy), vae=str(MODEL / "vae")) == []
    cut(copy / "ae.safetensors")
    assert "model.vae" in problems_of(base=str(copy), vae=str(copy / "ae.safetensors"))[0]
    assert "which is not there" in problems_of(base=str(copy), vae="nowhere.safetensors")[0]


def test_a_single_file_lacks_its_other_parts_and_its_tokenizers(copy):
    file = copy / "transformer" / "diffusion_pytorch_model.safetensors"
    anatomy, held, kind = find_parts(file)
    assert (anatomy.title, held, kind) == ("FLUX.1", {"transformer"}, "FLUX.1's transformer")
    parts, tokenizers = problems_of(base=str(file))
    assert "expected files for model.vae, model.clip, model.t5" in parts and "a single file has no tokenizer" in tokenizers
    given = {"vae": str(copy / "vae"), "clip": str(copy / "text_encoder"), "t5": str(copy / "text_encoder_2")}
    assert problems_of(base=str(file), tokenizers=str(copy), **given) == []


def test_files_that_are_something_else(copy):
    vae = copy / VAE
    assert find_parts(vae)[2] == "a VAE"
    assert problems_of(base=str(vae)) == [f"{vae}: got a VAE, expected the transformer of FLUX.1 or FLUX.2 klein"]
    vae.write_bytes(b"<!doctype html><p>Sign in")
    assert "it is a web page: was the licence accepted" in problems_of(base=str(vae))[0]
    with pytest.raises(WeightsError):
        find_parts(vae)
