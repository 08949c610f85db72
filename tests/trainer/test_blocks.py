"""Checkpointed and swapped blocks: the same numbers, less memory."""

import copy
import dataclasses
import weakref

import pytest
import torch
from diffusers import FluxTransformer2DModel
from safetensors.torch import load_file
from torch import nn

from trainer.blocks import checkpoint_blocks, choose_swapped, find_blocks, find_turns, make_finish, swap_blocks
from trainer.quantise import FrozenLinear, quantise

CPU = torch.device("cpu")
DEVICES = [CPU, pytest.param(torch.device("cuda"), marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU"))]


class Adapted(nn.Module):
    """A frozen linear with something learned beside it, as a LoRA has it."""

    def __init__(self, base):
        super().__init__()
        generator = torch.Generator().manual_seed(base.in_features)
        self.base = base
        self.learned = nn.Parameter(torch.randn(base.out_features, base.in_features, generator=generator) * 1e-3)

    def forward(self, x):
        return self.base(x) + nn.functional.linear(x, self.learned)


def make_transformer(kind="none", doubles=2, singles=4):
    """A tiny FLUX.1 with something learned in each block, quantised where that is asked for."""
    torch.manual_seed(1)
    sizes = {"num_attention_heads": 2, "attention_head_dim": 16, "joint_attention_dim": 24, "pooled_projection_dim": 8}
    model = FluxTransformer2DModel(
        in_channels=16, num_layers=doubles, num_single_layers=singles, axes_dims_rope=(4, 6, 6), guidance_embeds=True, **sizes
    ).requires_grad_(False)
    for block in find_blocks(model):
        quantise(block, kind)
        block.attn.to_q = Adapted(block.attn.to_q)
    return model


def run(model, device=CPU):
    """The output of a step, and the gradients of all that is learned."""
    generator = torch.Generator().manual_seed(2)
    shapes = {"hidden_states": (2, 9, 16), "encoder_hidden_states": (2, 5, 24), "pooled_projections": (2, 8)}
    given = {name: torch.randn(*shape, generator=generator).to(device) for name, shape in shapes.items()}
    given |= {"timestep": torch.tensor([0.3, 0.8]).to(device), "guidance": torch.ones(2).to(device)}
    given |= {"img_ids": torch.arange(27.0).view(9, 3).to(device), "txt_ids": torch.zeros(5, 3).to(device)}
    out = model(**given, return_dict=False)[0]
    learned = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if torch.is_grad_enabled():
        out.square().mean().backward()
    grads = [parameter.grad for parameter in learned]
    for parameter in learned:
        parameter.grad = None
    return [out.detach(), *grads]


def same(one, other):
    return len(one) == len(other) and all(
        torch.equal(first.cpu(), second.cpu()) for first, second in zip(one, other, strict=True)
    )


def test_blocks_are_found_in_order_of_execution():
    model, called = make_transformer(), []
    for block in find_blocks(model):
        block.register_forward_pre_hook(lambda block, args: called.append(block))
    run(model)
    assert called == find_blocks(model) and len(called) == 6


@pytest.mark.parametrize("count", range(7))
def test_checkpointing_changes_no_bit_and_keeps_less_the_more_there_are(count):
    def measure(blocks):
        kept = []
        checkpoint_blocks(model, blocks)
        with torch.autograd.graph.saved_tensors_hooks(
            lambda tensor: kept.append(tensor.nbytes) or tensor, lambda tensor: tensor
        ):
            out = run(model)
        return out, sum(kept)

    model = make_transformer()
    expected = run(model)
    got, kept = measure(count)
    assert same(got, expected)
    assert [turn.is_checkpointed for turn in find_turns(model)] == [True] * count + [False] * (6 - count)
    if count:
        assert kept < measure(count - 1)[1]
    with torch.no_grad():
        assert torch.equal(run(model)[0], expected[0])


def test_dropout_is_the_same_the_second_time():
    model = make_transformer()
    model.transformer_blocks[1].attn.to_out[1] = nn.Dropout(0.5)
    outcomes = []
    for count in (0, 6):
        checkpoint_blocks(model, count)
        torch.manual_seed(7)
        outcomes.append(run(model))
    assert same(*outcomes) and [turn.draws for turn in find_turns(model)] == [False, True, *[False] * 4]


@pytest.mark.parametrize("kind", ["none", "int8", "nf4"])
@pytest.mark.parametrize("count", [1, 3, 6])
@pytest.mark.parametrize("device", DEVICES, ids=str)
def test_swapping_changes_no_bit(kind, count, device):
    """Over steps and pictures, some of which are broken off, and when another number is chosen on the way."""
    model = make_transformer(kind)
    plain = copy.deepcopy(model).to(device)
    checkpoint_blocks(plain, 6)
    expected = run(plain, device)
    for name, child in model.named_children():
        if not name.endswith("blocks"):
            child.to(device)
    for chosen in (count, 7 - count, count):
        swap_blocks(model, chosen, device)
        for turn in find_turns(model):
            if not turn.home:
                turn.block.to(device)
        assert same(run(model, device), expected)
        break_off(model, device)
        assert same(run(model, device), expected)
        with torch.no_grad():
            break_off(model, device)
            assert torch.equal(run(model, device)[0], expected[0])
        assert same(run(model, device), expected)
    swap_blocks(model, 0, device)
    assert same(run(model, device), expected) and not any(turn.home for turn in find_turns(model))


def break_off(model, device):
    def fail(*given):
        raise MemoryError

    hook = find_blocks(model)[4].register_forward_pre_hook(fail)
    with pytest.raises(MemoryError):
        run(model, device)
    hook.remove()


def test_two_swapped_blocks_at_most_are_on_the_device():
    """A CPU stands for it: each tensor of a swapped block is at home, or in one of two places that are used over and over."""
    model = make_transformer("int8")
    swap_blocks(model, 4, CPU)
    turns = [turn for turn in find_turns(model) if turn.swap]
    homes = {turn.home.memory.untyped_storage().data_ptr() for turn in turns}
    places = {place.memory.untyped_storage().data_ptr() for place in turns[0].swap.places}
    seen, entered = set(), []

    def look(turn):
        def compute(*args, **kwargs):
            where = [storages_of(each) for each in turns]
            entered.append(turns.index(turn))
            assert all(len(found) == 1 for found in where), "a block is in one piece"
            assert where[turns.index(turn)] < places, "what computes is on the device"
            assert sum(found < places for found in where) <= 2 and set.union(*where) <= homes | places
            seen.update(set.union(*where))
            return inner(*args, **kwargs)

        inner = turn.compute
        turn.compute = compute

    for turn in turns:
        look(turn)
    run(model)
    assert entered == [0, 1, 2, 3, 3, 2, 1, 0] and places < seen and len(places) == 2
    largest = max(len(turn.home.memory) for turn in turns)
    assert all(len(place.memory) == largest for place in turns[0].swap.places)


def storages_of(turn):
    return {tensor.untyped_storage().data_ptr() for tensor in turn.home.tensors}


def test_what_was_swapped_before_leaves_the_host():
    model = make_transformer()
    swap_blocks(model, 6, CPU)
    left = [weakref.ref(turn.home.memory) for turn in find_turns(model)]
    place = weakref.ref(find_turns(model)[0].swap.places[0].memory)
    swap_blocks(model, 2, CPU)
    assert [memory() is not None for memory in left] == [number in choose_swapped(6, 2) for number in range(6)]
    assert place() is None


@pytest.mark.parametrize(
    ("count", "chosen"),
    [(0, []), (1, [28]), (3, [9, 28, 47]), (57, list(range(57))), (99, list(range(57))), (28, list(range(1, 57, 2)))],
)
def test_the_swapped_ones_are_spread(count, chosen):
    assert choose_swapped(57, count) == chosen


def test_blocks_are_quantised_while_they_are_read(family):
    """As by hand after it; what stands outside the blocks stays as it is."""
    transformer = family.load_transformer(make_finish(7, 2, "int8", True))
    expected = family.load_transformer()
    for block in find_blocks(expected):
        quantise(block, "int8", True)
    kinds = {name: type(module) for name, module in transformer.named_modules()}
    assert kinds == {name: type(module) for name, module in expected.named_modules()}
    assert kinds["proj_out"] is kinds["x_embedder"] is nn.Linear and kinds["transformer_blocks.0.attn.to_q"] is FrozenLinear
    got, wanted = dict(transformer.named_buffers()), dict(expected.named_buffers())
    assert got.keys() == wanted.keys() and all(torch.equal(got[name], wanted[name]) for name in got)
    assert all(module.matmul_8bit for module in transformer.modules() if isinstance(module, FrozenLinear))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_swapped_blocks_leave_the_gpu_while_the_others_are_read(family):
    family.base = dataclasses.replace(family.base, device=torch.device("cuda"))
    blocks = find_blocks(family.load_transformer(make_finish(7, 2, "int8", False)))
    where = [{buffer.device.type for buffer in block.buffers()} for block in blocks]
    assert where == [{"cpu"} if number in choose_swapped(7, 2) else {"cuda"} for number in range(7)]


@pytest.mark.parametrize(("kind", "matmul_8bit"), [("nf4", False), ("int8", True)])
def test_a_training_learns_the_same_however_it_is_arranged(small, learn, capfd, kind, matmul_8bit):
    """And it does learn, on a base in few bits."""
    small["model"] |= {"quantise": kind, "matmul_8bit": matmul_8bit, "dtype": "bf16"}
    plain = learn(small, "plain")
    small["train"]["gradient_checkpointing"] = 2
    small["memory"] = {"swapped_blocks": 3}
    arranged = learn(small, "arranged")
    one, other = load_file(plain.lora), load_file(arranged.lora)
    assert same(list(one.values()), list(other.values())) and one.keys() == other.keys()
    told = [line.partition("loss ")[2] for line in capfd.readouterr().out.splitlines() if "Validation: loss" in line]
    assert told[:4] == told[4:] and float(told[3].split()[0]) < float(told[0].split()[0])


def test_compile_goes_inside():
    """Of a block's own work, one graph without a break, whatever stands around it."""
    model = make_transformer("int8", doubles=1, singles=2)
    expected = run(model)
    for turn in find_turns(model):
        turn.compute = torch.compile(turn.compute, fullgraph=True)
    checkpoint_blocks(model, 3)
    swap_blocks(model, 2, CPU)
    for got, wanted in zip(run(model), expected, strict=True):
        torch.testing.assert_close(got, wanted, rtol=1e-4, atol=1e-6)
