"""LoRAs in the forms of diffusers, kohya and BFL, there and back; diffusers' own converters are the reference."""

import contextlib
import itertools

import pytest
import torch
from diffusers import Flux2KleinPipeline, Flux2Transformer2DModel, FluxPipeline, FluxTransformer2DModel
from diffusers.loaders.single_file_utils import convert_flux_transformer_checkpoint_to_diffusers
from safetensors.torch import save_file

from tests.trainer import klein
from trainer.flux1 import Flux1
from trainer.flux2 import Flux2Klein
from trainer.formats import Names, Pair, find_sizes, is_exact, join, spell, split_number, take_apart

FORMS = ("diffusers", "kohya", "bfl")
QKV, LINEAR1 = ("double_blocks.{}.img_attn.qkv", "single_blocks.{}.linear1")


@pytest.fixture(scope="module")
def flux_dev():
    """FLUX.1-dev's size, without its weights; its defaults are those of diffusers' class."""
    with torch.device("meta"):
        return FluxTransformer2DModel(guidance_embeds=True)


def list_linears(model):
    return {name: module for name, module in model.named_modules() if isinstance(module, torch.nn.Linear)}


def make_layers(model, rank=1, dtype=torch.float32, pick=lambda name: True):
    """A LoRA on every linear of a model."""
    generator = torch.Generator().manual_seed(7)
    return {
        name: Pair(
            torch.randn(rank, linear.in_features, generator=generator).to(dtype),
            torch.randn(linear.out_features, rank, generator=generator).to(dtype),
        )
        for name, linear in list_linears(model).items()
        if pick(name)
    }


def read_back(tensors, family=Flux1):
    """Pairs by diffusers' names, from the tensors of any of our forms."""
    names, layers = Names(family.keys), {}
    for key in tensors:
        for a, b in (("lora_A", "lora_B"), ("lora_down", "lora_up")):
            if key.endswith(f".{a}.weight"):
                module = key.removesuffix(f".{a}.weight")
                pair = Pair(tensors[key], tensors[f"{module}.{b}.weight"])
                for prefix in ("transformer.", "diffusion_model.", "lora_unet_"):
                    module = module.removeprefix(prefix)
                layers |= names.place(module, pair)
    return layers


def key(theirs):
    return next(key for key in Flux1.keys if key.theirs == theirs)


def equal(first, second):
    return torch.equal(first.a, second.a) and torch.equal(first.b, second.b)


# ---- names -----------------------------------------------------------------------------------------------------------
def test_the_full_key_list_has_no_name_without_a_match(flux_dev):
    """Each of the 504 linears of FLUX.1-dev is one of the original's, all of whose modules are made of them."""
    layers = make_layers(flux_dev)
    assert len(layers) == 504
    for form in FORMS:
        back = read_back(spell(layers, Flux1.keys, form))
        assert back.keys() == layers.keys() and all(equal(back[name], layers[name]) for name in layers), form
    joined = Names(Flux1.keys).join(layers)
    assert len(joined) == 19 * 10 + 38 * 3 + 10


def test_every_module_of_the_model_has_a_key(flux_dev):
    """The table is the whole model's, not the LoRA's alone: norms with weights stand in it, too."""
    with_weights = {name for name, module in flux_dev.named_modules() if list(module.parameters(recurse=False))}
    patterns = {split_number(name)[0] for name in with_weights}
    listed = [name for key in Flux1.keys for name in key.ours]
    assert patterns == set(listed) and len(listed) == len(set(listed))
    assert len({key.theirs for key in Flux1.keys}) == len(Flux1.keys)


def test_the_spelling_of_each_form(flux_dev):
    layers = make_layers(flux_dev, pick=lambda name: name == "transformer_blocks.7.ff.net.0.proj")
    assert spell(layers, Flux1.keys, "diffusers").keys() == {
        "transformer.transformer_blocks.7.ff.net.0.proj.lora_A.weight",
        "transformer.transformer_blocks.7.ff.net.0.proj.lora_B.weight",
    }
    assert spell(layers, Flux1.keys, "bfl").keys() == {
        "diffusion_model.double_blocks.7.img_mlp.0.lora_A.weight",
        "diffusion_model.double_blocks.7.img_mlp.0.lora_B.weight",
    }
    name = "lora_unet_double_blocks_7_img_mlp_0"
    kohya = spell(layers, Flux1.keys, "kohya")
    assert kohya.keys() == {f"{name}.lora_down.weight", f"{name}.lora_up.weight", f"{name}.alpha"}
    assert kohya[f"{name}.alpha"].shape == () and kohya[f"{name}.alpha"].dtype == torch.float32


def test_names_that_are_not_there():
    pair = Pair(torch.ones(1, 2), torch.ones(2, 1))
    names = Names(Flux1.keys)
    for module in ("double_blocks.0.img_attn", "transformer_blocks.0.attn.to_x", "blocks.0.attn.to_q", "lora_unet_img_in", ""):
        assert names.place(module, pair) is None
    assert names.place("x_embedder", pair) == names.place("img_in", pair) == {"x_embedder": pair}


# ---- against diffusers -----------------------------------------------------------------------------------------------
def test_kohya_is_read_by_diffusers_as_it_was_before(flux_dev, tmp_path):
    """All that its own converter places; the modules outside the blocks it names without a prefix, and does not load."""
    layers = make_layers(flux_dev, pick=lambda name: "blocks." in name)
    save_file(spell(layers, Flux1.keys, "kohya"), tmp_path / "kohya.safetensors")
    read, alphas = FluxPipeline.lora_state_dict(tmp_path, weight_name="kohya.safetensors", return_alphas=True)
    assert not alphas and len(read) == 2 * len(layers)
    for name, pair in layers.items():
        assert torch.equal(read[f"transformer.{name}.lora_A.weight"], pair.a), name
        assert torch.equal(read[f"transformer.{name}.lora_B.weight"], pair.b), name


@pytest.mark.parametrize("rank", [1, 3])
def test_the_original_takes_our_weights_to_the_same_places(rank):
    """What is added to the original's weights, converted as diffusers converts weights, is what is added to diffusers'."""
    with torch.device("meta"):
        small = FluxTransformer2DModel(num_layers=1, num_single_layers=1, guidance_embeds=True)
    layers = make_layers(small, rank)
    joined = Names(Flux1.keys).join(layers)
    original = {f"{module}.weight": pair.b for module, pair in joined.items()}  # rows are all that is moved
    original |= {f"{module}.bias": torch.zeros(len(pair.b)) for module, pair in joined.items()}
    norms = [key.theirs.format(0) for key in Flux1.keys if key.theirs.endswith("_norm")]
    original |= {f"{module}.scale": torch.zeros(128) for module in norms}
    theirs = convert_flux_transformer_checkpoint_to_diffusers(original)
    for name, pair in layers.items():
        key = next(key for key in Flux1.keys if split_number(name)[0] in key.ours)
        added = theirs[f"{name}.weight"][::97] @ joined[key.theirs.format(0)].a
        torch.testing.assert_close(added, pair.b[::97] @ pair.a, rtol=0, atol=1e-5)


@pytest.mark.parametrize("form", ["kohya", "bfl"])
def test_diffusers_reads_both_forms_of_flux2(form, tmp_path):
    """All of klein 4 B but the few modules that its kohya converter leaves out; q, k and v it leaves at three times the rank
    in BFL's form, where it does not look for a diagonal. A LoRA adds the same."""
    with torch.device("meta"):
        full = Flux2Transformer2DModel(
            num_layers=5, num_single_layers=20, num_attention_heads=24, joint_attention_dim=7680, guidance_embeds=False
        )
    layers = make_layers(full, pick=lambda name: "blocks." in name)
    assert len(layers) == 5 * 12 + 20 * 2
    save_file(spell(layers, Flux2Klein.keys, form), tmp_path / "x.safetensors")
    read = Flux2KleinPipeline.lora_state_dict(tmp_path, weight_name="x.safetensors")
    read = read[0] if isinstance(read, tuple) else read
    assert len(read) == 2 * len(layers)
    for name, pair in layers.items():
        a, b = (read[f"transformer.{name}.lora_{half}.weight"] for half in "AB")
        torch.testing.assert_close(b[::97] @ a, pair.b[::97] @ pair.a, rtol=0, atol=1e-6)


# ---- there and back --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("family", [Flux1, Flux2Klein])
def test_there_and_back_over_all_forms(transformer, family, dtype):
    """The same numbers and ranks, whichever way."""
    layers = make_layers(transformer if family is Flux1 else klein.make_transformer(), rank=4, dtype=dtype)
    for way in itertools.permutations(FORMS):
        went = layers
        for form in way:
            went = read_back(spell(went, family.keys, form), family)
        assert went.keys() == layers.keys() and all(equal(went[name], layers[name]) for name in layers), way


@pytest.mark.parametrize("left_out", ["proj_mlp", "to_k", "to_q", "to_v"])
def test_a_part_that_has_no_lora_has_none_when_it_comes_back(transformer, left_out):
    layers = make_layers(transformer, rank=4, pick=lambda name: not name.endswith(left_out))
    back = read_back(spell(layers, Flux1.keys, "kohya"))
    assert back.keys() == layers.keys() and all(equal(back[name], layers[name]) for name in layers)


def test_what_kohya_trained_as_one_stays_one():
    """q, k and v share their A then; the way back joins them without making the rank three times as large."""
    generator = torch.Generator().manual_seed(1)
    pair = Pair(torch.randn(4, 8, generator=generator), torch.randn(24, 4, generator=generator))
    parts = take_apart(pair, key(QKV))
    assert [part.rank for part in parts] == [4, 4, 4]
    assert torch.equal(torch.cat([part.b @ part.a for part in parts]), torch.cat([part.b for part in parts]) @ pair.a)
    assert equal(join(parts, key(QKV)), pair)


def test_parts_of_different_ranks():
    generator = torch.Generator().manual_seed(1)
    parts = [Pair(torch.randn(rank, 8, generator=generator), torch.randn(8, rank, generator=generator)) for rank in (1, 4, 2)]
    joined = join(parts, key(QKV))
    assert joined.rank == 7
    assert all(equal(part, back) for part, back in zip(parts, take_apart(joined, key(QKV)), strict=True))


def test_parts_joined_without_room_for_those_that_are_missing():
    """Other tools stack what is there: three shares in a module of four."""
    generator = torch.Generator().manual_seed(1)
    a, b = torch.randn(12, 8, generator=generator), torch.zeros(56, 12)
    for number in range(3):
        b[8 * number : 8 * (number + 1), 4 * number : 4 * (number + 1)] = torch.randn(8, 4, generator=generator)
    parts = take_apart(Pair(a, b), key(LINEAR1))
    assert [part and part.rank for part in parts] == [4, 4, 4, None]
    assert torch.equal(torch.cat([part.b @ part.a for part in parts[:3]]), (b @ a)[:24])


def test_a_lora_that_has_learned_nothing_yet_comes_back():
    parts = [Pair(torch.full((2, 8), float(number)), torch.zeros(8, 2)) for number in (1, 2, 3)]
    assert all(equal(part, back) for part, back in zip(parts, take_apart(join(parts, key(QKV)), key(QKV)), strict=True))


def test_shapes_of_another_model_are_refused():
    flux2 = Pair(torch.ones(2, 8), torch.ones(9 * 8, 2))  # its MLP is wider
    with pytest.raises(ValueError, match=r"single_blocks.\{\}.linear1: got 72 rows for 8 columns, expected 56"):
        take_apart(flux2, key(LINEAR1))
    with pytest.raises(ValueError, match=r"img_mlp\.0: got 48 rows for 8 columns, expected 32"):
        take_apart(Pair(torch.ones(2, 8), torch.ones(48, 2)), key("double_blocks.{}.img_mlp.0"))
    assert find_sizes(key(LINEAR1), 3072) == [3072, 3072, 3072, 12288]


def test_the_two_families_are_told_apart_by_their_widths(transformer):
    """Of the modules whose names they share: in each other's tables none has a fitting shape, but those that are the same."""
    for family, other, model in ((Flux1, Flux2Klein, transformer), (Flux2Klein, Flux1, klein.make_transformer())):
        joined = Names(family.keys).join(make_layers(model, pick=lambda name: "blocks." in name))
        fitting = set()
        for module, pair in joined.items():
            with contextlib.suppress(ValueError):
                if Names(other.keys).place(module, pair):
                    fitting.add(module.split(".", 2)[2])
        assert fitting == {"img_attn.qkv", "img_attn.proj", "txt_attn.qkv", "txt_attn.proj"}


def test_the_final_modulation_stands_the_other_way_round(transformer):
    layers = make_layers(transformer, rank=1, pick=lambda name: name == "norm_out.linear")
    (joined,) = Names(Flux1.keys).join(layers).values()
    ours = layers["norm_out.linear"]
    half = len(ours.b) // 2
    assert torch.equal(joined.b[:half], ours.b[half:]) and torch.equal(joined.b[half:], ours.b[:half])


# ---- scale -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("factor", "dtype", "exact"), [(2.0, torch.bfloat16, True), (0.3, torch.float32, False)])
def test_scale(factor, dtype, exact):
    pair = Pair(torch.ones(1, 3, dtype=dtype), torch.tensor([[1.0], [3.0]], dtype=dtype))
    assert pair.scale(1) is pair
    scaled = pair.scale(factor)
    torch.testing.assert_close(scaled.b.float(), torch.tensor([[1.0], [3.0]]) * factor)
    assert (scaled.b.dtype == dtype) and is_exact(factor, dtype) == (exact or dtype == torch.float32)


def test_a_scale_that_rounds_leaves_the_narrow_type():
    pair = Pair(torch.ones(1, 3, dtype=torch.bfloat16), torch.tensor([[1.0], [3.0]], dtype=torch.bfloat16))
    assert not is_exact(0.3, torch.bfloat16) and pair.scale(0.3).b.dtype == torch.float32
