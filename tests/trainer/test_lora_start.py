"""A training that goes on from a LoRA's file: the same numbers in place; what does not fit told before anything is loaded."""

import pytest
import torch
from safetensors.torch import load_file, save_file

from trainer.checkpoint import StateError
from trainer.config import Lora, parse_config
from trainer.flux1 import Flux1
from trainer.formats import Pair
from trainer.interrupt import Stop
from trainer.loop import train
from trainer.lora import add_lora
from trainer.lora_file import Style, export_lora, fold
from trainer.lora_reader import LoraError
from trainer.lora_start import check_lora, describe_choice
from trainer.prepare import prepare


@pytest.fixture
def make_file(transformer, family, tmp_path):
    """make_file(form, **settings): a LoRA of other settings than the training's, and its pairs."""

    def make(form="diffusers", **settings):
        lora = Lora(**{"rank": 3, "alpha": 5} | settings)
        weights = add_lora(transformer, family, lora, 1)
        for number, (name, weight) in enumerate(weights.items()):
            if ".lora_B." in name:
                weight.data = torch.randn(weight.shape, generator=torch.Generator().manual_seed(number)) * 0.02
        layers, path = fold(weights, lora), tmp_path / f"{form}.safetensors"
        export_lora(path, layers, Style(Flux1, form, torch.float32), {})
        return path, layers

    return make


@pytest.fixture
def start(small, make_run):
    """start(path): a training that is ready for its first step."""

    def begin(path, **lora):
        small["lora"] |= {"start_from": str(path), **lora}
        return prepare(parse_config(small), make_run(small), None, Stop())

    return begin


@pytest.mark.parametrize("form", ["diffusers", "kohya", "bfl"])
def test_the_first_weights_are_the_file_s(make_file, start, form):
    path, layers = make_file(form)
    training = start(path)
    found = fold(training.weights, training.config.lora)
    assert found.keys() == layers.keys()
    for name, pair in layers.items():
        torch.testing.assert_close(found[name].b @ found[name].a, pair.b @ pair.a, rtol=1e-5, atol=1e-6)


def test_modules_that_are_not_in_the_file_begin_from_nothing_and_are_told(make_file, start, capfd):
    path, layers = make_file(blocks="double")
    found = fold((training := start(path)).weights, training.config.lora)
    fresh = [name for name in found if name not in layers]
    assert len(fresh) == 5 * 5 and not any(found[name].b.any() for name in fresh)
    said = capfd.readouterr().out
    assert f"Loading LoRA: {path} on 24 modules, to go on from it" in said
    assert f"WARNING lora.start_from: 25 modules are not in {path} and begin from nothing, first {fresh[0]}" in said


def test_text_encoders_are_told(make_file, start, capfd):
    path, _ = make_file()
    more = {"lora_te1_x.lora_down.weight": torch.ones(2, 2), "lora_te1_x.lora_up.weight": torch.ones(2, 2)}
    save_file(load_file(path) | more, path)
    start(path)
    assert "1 modules of text encoders are left out" in capfd.readouterr().out


@pytest.mark.parametrize(
    ("lora", "told"),
    [
        ({"rank": 2}, "has rank 3, lora.rank is 2: expected at least its rank"),
        ({"blocks": "double"}, "which this training leaves out: choose lora.targets and lora.blocks that include it"),
        ({"blocks": "double 2"}, "FLUX.1 has fewer blocks: got double 2, expected double 0-1"),
        ({"targets": ["attn.to_x"]}, "lora.targets: got 'attn.to_x', expected attn.add_k_proj or"),
    ],
)
def test_what_does_not_fit_is_told_before_anything_is_loaded(make_file, start, capfd, lora, told):
    with pytest.raises(ValueError, match="lora") as raised:
        start(make_file()[0], **lora)
    assert told in str(raised.value) and "Loading" not in capfd.readouterr().out


def test_files_that_cannot_be_begun_from(make_file, family, small, make_run):
    settings = Lora(start_from="/nowhere/x.safetensors")
    with pytest.raises(LoraError, match=r"/nowhere/x\.safetensors cannot be used as a LoRA:\n  there is no such file"):
        describe_choice(settings)
    folder = make_run(small).path
    make_file()[0].rename(folder / "small.safetensors")
    with pytest.raises(LoraError, match="a file of this run, which writes over it"):
        check_lora(Lora(start_from=str(folder / "small.safetensors")), family, folder, is_resumed=False)
    wide = {"transformer_blocks.0.attn.to_q": Pair(torch.ones(2, 3072), torch.ones(3072, 2))}
    export_lora(folder.parent / "wide.safetensors", wide, Style(Flux1, "diffusers", torch.float32), {})
    with pytest.raises(
        LoraError, match=r"is for a linear of \(3072, 3072\) rows and columns, the base model's has \(160, 160\)"
    ):
        check_lora(Lora(start_from=str(folder.parent / "wide.safetensors")), family, folder, is_resumed=False)


@pytest.mark.parametrize(("lora", "is_told"), [({}, False), ({"targets": "attention"}, False), ({"blocks": "double"}, True)])
def test_what_invoke_would_not_know_is_told(family, make_run, small, capfd, lora, is_told):
    check_lora(Lora(**lora), family, make_run(small).path, is_resumed=False)
    told = "without single_transformer_blocks.0.attn.to_q InvokeAI does not know the file"
    assert (told in capfd.readouterr().out) == is_told


def test_a_resume_wants_the_same_file_and_nothing_of_its_place(make_file, small, learn, make_run):
    path, _ = make_file()
    small["lora"]["start_from"] = str(path)
    small["save"]["keep_states"] = 0
    folder = learn(small)
    whole = folder.lora.read_bytes()
    moved = path.rename(path.with_name("moved.safetensors"))
    small["lora"]["start_from"] = str(moved)
    again = learn(small, resume=folder.epoch_state(1))
    assert again.lora.read_bytes() == whole
    export_lora(moved, {}, Style(Flux1, "diffusers", torch.float32), {})
    with pytest.raises(StateError, match=r"lora\.start_from: the state has"):
        train(parse_config(small), folder, folder.epoch_state(1), Stop())
    moved.unlink()
    with pytest.raises(LoraError, match="also when its training is resumed"):
        train(parse_config(small), folder, folder.epoch_state(1), Stop())


def test_dropout_is_the_same_after_a_resume_and_in_pieces(small, learn):
    small["lora"] |= {"dropout": 0.3}
    small["save"]["keep_states"], small["sample"]["prompts"], small["data"]["validation_images"] = 0, [], 0
    folder = learn(small)
    whole = folder.lora.read_bytes()
    assert learn(small, resume=folder.epoch_state(1)).lora.read_bytes() == whole
    small["train"]["accumulation"] = 2
    pieces, together = load_file(learn(small, "pieces").lora), load_file(folder.lora)
    for name, tensor in together.items():
        assert (pieces[name] - tensor).norm() < 0.05 * tensor.norm(), name


def test_a_copy_in_kohya_s_form(small, learn):
    small["save"] |= {"kohya": True}
    folder = learn(small)
    for path in (folder.lora, folder.epoch_lora(2)):
        ours, theirs = load_file(path), load_file(folder.kohya_copy(path))
        assert all(name.startswith("lora_unet_") for name in theirs)
        name = "transformer.transformer_blocks.1.ff.net.2.lora_{}.weight"
        down, up = (theirs[f"lora_unet_double_blocks_1_img_mlp_2.lora_{half}.weight"] for half in ("down", "up"))
        assert torch.equal(down, ours[name.format("A")]) and torch.equal(up, ours[name.format("B")])
    config = parse_config(small)
    longer = config.model_copy(update={"train": replace_epochs(config, 4)})
    assert train(longer, folder, folder.epoch_state(3), Stop())
    assert folder.kohya_copy(folder.epoch_lora(3)).is_file(), "it stays beside the LoRA of the epoch after which it ended"


def replace_epochs(config, epochs):
    return config.train.model_copy(update={"epochs": epochs})
