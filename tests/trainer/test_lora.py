"""The LoRA while it learns: where it sits, its first weights, its numbers, going on from a file, dropout."""

import copy

import pytest
import torch
from diffusers import FluxTransformer2DModel
from peft import LoraConfig
from torch.utils.checkpoint import checkpoint

from tests.trainer import klein
from trainer.config import Lora
from trainer.flow import Batch
from trainer.flux1 import Flux1
from trainer.flux2 import Flux2Klein
from trainer.formats import Pair
from trainer.lora import LoraLinear, RankDropout, add_lora, fill_lora, find_targets
from trainer.quantise import quantise

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def flux_dev():
    """FLUX.1-dev's size, without its weights."""
    with torch.device("meta"):
        return FluxTransformer2DModel(guidance_embeds=True)


@pytest.fixture
def predict(family):
    """predict(transformer, dtype): the velocity of two images."""
    generator = torch.Generator().manual_seed(5)
    latents, txt, pooled = (torch.randn(*shape, generator=generator) for shape in [(2, 16, 8, 8), (2, 24, 96), (2, 64)])
    batch, sigmas = Batch(latents, {"txt": txt, "pooled": pooled}), torch.tensor([0.3, 0.8])
    return lambda transformer: family.predict(transformer, family.pack(latents), batch, sigmas, 1.0)


def learn_something(weights):
    for number, (name, weight) in enumerate(weights.items()):
        if ".lora_B." in name:
            weight.data = torch.randn(weight.shape, generator=torch.Generator().manual_seed(number)) * 0.02


def gradients(weights, loss):
    for weight in weights.values():
        weight.grad = None
    loss.backward()
    return {name: weight.grad.clone() for name, weight in weights.items()}


# ---- which linears ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("targets", "count"), [("attention", 19 * 8 + 38 * 3), ("all", 19 * 12 + 38 * 5), ("all+modulation", 19 * 14 + 38 * 6)]
)
def test_targets_of_the_full_size(flux_dev, targets, count):
    """266, 418 and 494 linears; the last are all that the blocks have."""
    found = find_targets(flux_dev, Flux1, Lora(targets=targets))
    assert len(found) == len(set(found)) == count and "proj_out" not in found
    linears = {name for name, module in flux_dev.named_modules() if isinstance(module, torch.nn.Linear)}
    in_blocks = {name for name in linears if "transformer_blocks." in name}
    assert set(found) <= in_blocks and (targets != "all+modulation" or set(found) == in_blocks)
    if targets == "all":
        assert {name.split(".", 2)[2] for name in in_blocks - set(found)} == {
            "norm1.linear",
            "norm1_context.linear",
            "norm.linear",
        }


@pytest.mark.parametrize(
    ("settings", "count"),
    [
        ({"blocks": "double 0-2, single 7 20"}, 3 * 12 + 2 * 5),
        ({"blocks": "single", "targets": "attention"}, 38 * 3),
        ({"targets": ["to_q", "to_v"]}, 2 * (19 + 38)),
        ({"targets": ["attn.to_q", "ff.net.2"], "blocks": "double 18"}, 2),
        ({"targets": ["linear"]}, 19 * 2 + 38),
    ],
)
def test_a_choice_of_blocks_and_names(flux_dev, settings, count):
    assert len(find_targets(flux_dev, Flux1, Lora(**settings))) == count


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"blocks": "double 19, single 0-38"}, ["FLUX.1 has fewer blocks", "got double 19", "single 0-37", "got single 38"]),
        ({"targets": ["to_q", "o_q"]}, ["lora.targets: got 'o_q', expected", "attn.to_q", "proj_mlp", "norm1.linear"]),
        ({"targets": ["proj_mlp"], "blocks": "double"}, ["['proj_mlp']", "'double'", "no linear is both"]),
    ],
)
def test_a_choice_that_does_not_fit(flux_dev, settings, told):
    with pytest.raises(ValueError, match=r"lora\.") as raised:
        find_targets(flux_dev, Flux1, Lora(**settings))
    assert all(words in str(raised.value) for words in told)


def test_a_choice_that_a_family_does_not_have():
    """FLUX.2's modulation is one for all blocks."""
    transformer = klein.make_transformer()
    assert len(find_targets(transformer, Flux2Klein, Lora(blocks="single 1"))) == 2
    with pytest.raises(ValueError, match=r"got 'all\+modulation', FLUX.2 klein has 'attention' or 'all'"):
        find_targets(transformer, Flux2Klein, Lora(targets="all+modulation"))


# ---- its numbers -----------------------------------------------------------------------------------------------------
def test_nothing_has_changed_at_first(transformer, family, predict):
    before = predict(transformer)
    weights = add_lora(transformer, family, Lora(rank=4), seed=1)
    assert torch.equal(predict(transformer), before)
    first = next(weight for name, weight in weights.items() if ".lora_A." in name)
    assert 0.2 < first.std() < 0.3, "variance 1/rank^2"
    assert all((weight == 0).all() for name, weight in weights.items() if ".lora_B." in name)
    assert all(name.endswith((".lora_A.weight", ".lora_B.weight")) for name in weights)


def test_first_weights_depend_on_the_seed_alone(transformer, family):
    other, third = copy.deepcopy(transformer), copy.deepcopy(transformer).to(torch.bfloat16)
    weights = add_lora(transformer, family, Lora(rank=4), seed=1)
    torch.manual_seed(99)
    state = torch.get_rng_state()
    again, different = add_lora(other, family, Lora(rank=4), seed=1), add_lora(third, family, Lora(rank=4), seed=2)
    name = next(iter(weights))
    assert list(weights) == list(again) == sorted(weights)
    assert torch.equal(weights[name], again[name]) and not torch.equal(weights[name], different[name])
    assert torch.equal(torch.get_rng_state(), state), "others' random numbers are left alone"
    assert weights["transformer_blocks.0.attn.to_q.lora_A.weight"][0, :3].tolist() == pytest.approx(
        [0.2054, -0.0807, 0.3818], abs=1e-4
    ), "the numbers of all versions"


def test_equal_to_peft_in_fp32(transformer, family, predict):
    """Output and gradients."""
    settings, theirs = Lora(rank=4, alpha=6), copy.deepcopy(transformer)
    weights = add_lora(transformer, family, settings, seed=1)
    learn_something(weights)
    names = [name.removesuffix(".lora_A.weight") for name in weights if name.endswith(".lora_A.weight")]
    theirs.add_adapter(LoraConfig(r=4, lora_alpha=6, target_modules=names))
    other = {name.replace(".default.", "."): weight for name, weight in theirs.named_parameters() if weight.requires_grad}
    assert other.keys() == weights.keys()
    for name, weight in weights.items():
        other[name].data.copy_(weight)
    ours, expected = predict(transformer), predict(theirs)
    torch.testing.assert_close(ours, expected, rtol=1e-5, atol=3e-5)  # sums in any order: 1.9e-5 were seen
    first, second = gradients(weights, ours.square().mean()), gradients(other, expected.square().mean())
    assert all(gradient.abs().max() > 0 for gradient in first.values()), "each weight learns"
    for name in weights:
        torch.testing.assert_close(first[name], second[name], rtol=1e-4, atol=1e-6)


def test_weights_gradients_and_moments_are_fp32_on_a_bf16_base(transformer, family):
    weights = add_lora(transformer.to(torch.bfloat16), family, Lora(rank=4), seed=1)
    optimizer = torch.optim.AdamW(weights.values(), fused=True)
    layer = transformer.transformer_blocks[0].attn.to_q
    out = layer(torch.randn(2, 5, layer.in_features, dtype=torch.bfloat16))
    assert out.dtype == torch.bfloat16
    learned = {name: weight for name, weight in weights.items() if "transformer_blocks.0.attn.to_q." in name[:35]}
    out.float().square().mean().backward()
    optimizer.step()
    assert {weight.dtype for weight in weights.values()} == {torch.float32}
    assert {weight.grad.dtype for weight in learned.values() if weight.grad is not None} == {torch.float32}
    assert {moment.dtype for state in optimizer.state.values() for moment in state.values()} == {torch.float32}
    assert all(parameter.grad is None for parameter in layer.base.parameters())


def test_no_fp32_copy_of_activations_is_kept():
    """peft keeps one for each layer: on a bf16 base that is twice the memory of the activations themselves."""
    layer = LoraLinear(torch.nn.Linear(64, 48, dtype=torch.bfloat16).requires_grad_(False), 4, 2.0, CPU)
    kept = []

    def keep(tensor):
        kept.append(tensor)
        return tensor

    x = torch.randn(2, 100, 64, dtype=torch.bfloat16, requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        layer(x)
    assert kept and all(tensor.dtype == torch.bfloat16 for tensor in kept if tensor.numel() > 64 * 4)


class Squared(torch.nn.Module):
    """A linear of nobody's kind."""

    in_features, out_features = 6, 6

    def forward(self, x):
        return x.square()


def test_on_whatever_is_like_a_linear():
    layer = LoraLinear(Squared(), 2, 0.5, CPU)
    x = torch.randn(3, 6)
    assert torch.equal(layer(x), x.square())
    layer.lora_A.weight.data.fill_(1.0)
    layer.lora_B.weight.data.fill_(1.0)
    torch.testing.assert_close(layer(x), x.square() + x.sum(1, keepdim=True))


@pytest.mark.parametrize("kind", ["int8", "nf4"])
def test_on_a_quantised_base(transformer, family, predict, kind):
    """It begins as that base, learns in fp32, and finds the same linears as on a plain one."""
    plain = find_targets(transformer, family, Lora(targets="all+modulation"))
    for block in (*transformer.transformer_blocks, *transformer.single_transformer_blocks):
        quantise(block, kind)
    assert find_targets(transformer, family, Lora(targets="all+modulation")) == plain
    before = predict(transformer)
    weights = add_lora(transformer, family, Lora(rank=4, targets="all+modulation"), seed=1)
    assert torch.equal(predict(transformer), before)
    learn_something(weights)
    found = gradients(weights, predict(transformer).square().mean())
    assert all(gradient.dtype == torch.float32 and gradient.abs().max() > 0 for gradient in found.values())


def test_checkpointing_leaves_gradients_equal(transformer, family, predict):
    weights = add_lora(transformer, family, Lora(rank=4), seed=1)
    learn_something(weights)
    plain = gradients(weights, predict(transformer).square().mean())
    transformer.enable_gradient_checkpointing()
    again = gradients(weights, predict(transformer).square().mean())
    for name in weights:
        torch.testing.assert_close(again[name], plain[name], rtol=1e-5, atol=1e-9)


def test_compiled_it_gives_the_same_with_dropout_and_without():
    layer = LoraLinear(torch.nn.Linear(8, 6).requires_grad_(False), 4, 2.0, CPU)
    layer.lora_A.weight.data.normal_()
    layer.lora_B.weight.data.normal_()
    compiled, x = torch.compile(layer, backend="aot_eager", fullgraph=True), torch.randn(2, 3, 8)
    for kept in (None, torch.tensor([[1.0, 0, 1, 2]] * 2), torch.tensor([[0.0, 1, 1, 2]] * 2)):
        layer.kept = kept
        torch.testing.assert_close(compiled(x), layer(x))


# ---- going on from a LoRA --------------------------------------------------------------------------------------------
def test_going_on_from_a_lora_adds_the_same(transformer, family, predict):
    """Also one of a lower rank, with another scale."""
    settings = Lora(rank=4, alpha=8, blocks="single")
    weights = add_lora(transformer, family, settings, seed=1)
    fresh = {name: weight.clone() for name, weight in weights.items()}
    modules = [name.removesuffix(".lora_A.weight") for name in weights if name.endswith(".lora_A.weight")]
    generator = torch.Generator().manual_seed(2)
    layers = {
        module: Pair(
            torch.randn(3, weights[f"{module}.lora_A.weight"].shape[1], generator=generator),
            torch.randn(len(weights[f"{module}.lora_B.weight"]), 3, generator=generator),
        )
        for module in modules[1:]
    }
    assert fill_lora(weights, settings, layers) == modules[:1]
    for module, pair in layers.items():
        a, b = weights[f"{module}.lora_A.weight"], weights[f"{module}.lora_B.weight"]
        torch.testing.assert_close(2 * b @ a, pair.b @ pair.a, rtol=1e-5, atol=1e-5)
        assert torch.equal(a[3], fresh[f"{module}.lora_A.weight"][3]), "room to learn"
    for half in ("A", "B"):
        name = f"{modules[0]}.lora_{half}.weight"
        assert torch.equal(weights[name], fresh[name])


@pytest.mark.parametrize(
    ("module", "shapes", "told"),
    [
        ("transformer_blocks.0.attn.to_q", ((2, 160), (160, 2)), "transformer_blocks.0.attn.to_q, which this training leaves"),
        ("single_transformer_blocks.0.attn.to_q", ((5, 160), (160, 5)), "has rank 5, lora.rank is 4: expected at least"),
        ("single_transformer_blocks.0.attn.to_q", ((2, 3072), (3072, 2)), r"\(3072, 3072\) .* has \(160, 160\)"),
    ],
)
def test_a_lora_that_does_not_fit(transformer, family, module, shapes, told):
    settings = Lora(rank=4, blocks="single")
    weights = add_lora(transformer, family, settings, seed=1)
    a, b = (torch.ones(shape) for shape in shapes)
    with pytest.raises(ValueError, match=told):
        fill_lora(weights, settings, {module: Pair(a, b)})


def test_what_adds_nothing_may_be_left_out(transformer, family):
    settings = Lora(rank=4, blocks="single")
    weights = add_lora(transformer, family, settings, seed=1)
    nothing = Pair(torch.ones(2, 160), torch.zeros(160, 2))
    assert len(fill_lora(weights, settings, {"transformer_blocks.0.attn.to_q": nothing})) == len(weights) / 2


# ---- dropout ---------------------------------------------------------------------------------------------------------
@pytest.fixture
def dropped(transformer, family):
    weights = add_lora(transformer, family, Lora(rank=4, dropout=0.5), seed=1)
    learn_something(weights)
    return transformer, weights, RankDropout(transformer, Lora(rank=4, dropout=0.5), seed=1)


def test_what_sits_out_is_a_function_of_seed_and_step(dropped, transformer):
    _, _, dropout = dropped
    kept = dropout.draw(step=3, images=20)
    assert kept.shape == (2 * 12 + 5 * 5, 20, 4) and set(kept.unique().tolist()) == {0.0, 2.0}
    assert 0.9 < kept.mean() < 1.1
    assert torch.equal(kept, RankDropout(transformer, Lora(rank=4, dropout=0.5), seed=1).draw(3, 20))
    assert not torch.equal(kept, dropout.draw(4, 20))
    assert not torch.equal(kept, RankDropout(transformer, Lora(rank=4, dropout=0.5), seed=2).draw(3, 20))


def test_pieces_of_a_batch_and_checkpoints_change_nothing(dropped, family):
    """Sums over a batch's images are those of the images one by one, recomputed blocks or not."""
    transformer, weights, dropout = dropped
    generator = torch.Generator().manual_seed(5)
    shapes = [(2, 16, 8, 8), (2, 24, 96), (2, 64)]
    latents, txt, pooled = (torch.randn(*shape, generator=generator) for shape in shapes)
    whole, sigmas = Batch(latents, {"txt": txt, "pooled": pooled}), torch.tensor([0.3, 0.8])

    def learn(rows):
        part = whole.take(rows, CPU)
        with dropout.active(7, 2, rows, CPU):
            out = family.predict(transformer, family.pack(part.latents), part, sigmas[rows], 1.0)
            return gradients(weights, out.square().sum() / 1000)

    together = learn(slice(None))
    transformer.enable_gradient_checkpointing()
    first, second = learn(slice(0, 1)), learn(slice(1, 2))
    for name in weights:
        assert (first[name] + second[name] - together[name]).norm() <= 1e-4 * together[name].norm(), name


def test_everywhere_else_all_ranks_take_part(dropped, predict):
    transformer, _, dropout = dropped
    before = predict(transformer)
    with dropout.active(7, 2, slice(None), CPU):
        assert not torch.allclose(predict(transformer), before, atol=1e-4)
    assert torch.equal(predict(transformer), before)


def test_without_dropout_nothing_is_drawn(transformer, family):
    add_lora(transformer, family, Lora(rank=4), seed=1)
    with RankDropout(transformer, Lora(rank=4), seed=1).active(7, 2, slice(None), CPU):
        layer = transformer.transformer_blocks[0].attn.to_q
        assert layer.kept is None
    x = torch.randn(2, 5, layer.in_features, requires_grad=True)
    assert torch.equal(checkpoint(layer, x, use_reentrant=False), layer(x))
