"""Compiled blocks learn what plain ones do; where nothing can be compiled the training goes on."""

import shutil

import pytest
import torch

from tests.trainer.test_trace import SMALL, feed, teach
from trainer import compile as compiling
from trainer.blocks import checkpoint_blocks, find_blocks, find_turns
from trainer.compile import compile_blocks, count_graphs, find_cache, find_mark, is_worth_it
from trainer.lora import LoraLinear
from trainer.quantise import quantise

needs_compiler = pytest.mark.skipif(not shutil.which("g++"), reason="no C++ compiler here")


@pytest.fixture(autouse=True)
def fresh():
    """Compiled code of other tests is for other models."""
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


@pytest.fixture
def mark(tmp_path):
    return find_mark(tmp_path / "cache", "a test")


def build():
    from diffusers import FluxTransformer2DModel

    torch.manual_seed(3)
    return teach(FluxTransformer2DModel(**SMALL | {"num_layers": 0, "num_single_layers": 3}))


def build_small():
    """With our own LoRA on a base in 8 bits."""
    model = build().requires_grad_(False)
    for block in find_blocks(model):
        for name in ("to_q", "to_k", "to_v"):
            setattr(block.attn, name, getattr(block.attn, name).base)
        quantise(block, "int8")
        for name in ("to_q", "to_k", "to_v"):
            setattr(block.attn, name, LoraLinear(getattr(block.attn, name), 4, 0.5, torch.device("cpu")))
            for number, half in enumerate(getattr(block.attn, name).parameters()):
                half.data.normal_(0, 0.2, generator=torch.Generator().manual_seed(number))
    return model


def learn(model):
    """Gradients of one step, on the same noise each time."""
    inputs = feed("cpu")
    inputs["hidden_states"] = torch.randn(inputs["hidden_states"].shape, generator=torch.Generator().manual_seed(1))
    model(**inputs)[0].square().mean().backward()
    gradients = torch.cat([weight.grad.flatten() for weight in model.parameters() if weight.grad is not None])
    model.zero_grad()
    return gradients


def count_compiled():
    return torch._dynamo.utils.counters["stats"]["unique_graphs"]


@needs_compiler
def test_gradients_are_those_of_plain_blocks_also_when_checkpointed(mark):
    model, before = build_small(), count_compiled()
    plain = learn(model)
    compile_blocks(model, 1, mark)
    assert learn(model) == pytest.approx(plain, rel=1e-5, abs=1e-5 * plain.abs().max().item())
    assert 0 < count_compiled() - before <= count_graphs(1, 1)  # not one for each block
    assert not mark.exists()
    checkpoint_blocks(model, 2)
    assert learn(model) == pytest.approx(plain, rel=1e-5, abs=1e-5 * plain.abs().max().item())
    assert mark.exists()


@needs_compiler
def test_blocks_are_compiled_only_where_gradients_are_wanted(mark):
    model, before = build(), count_compiled()
    compile_blocks(model, 1, mark)
    with torch.no_grad():
        model(**feed("cpu"))
    assert count_compiled() == before


def test_without_a_compiler_the_training_goes_on(mark, monkeypatch, tmp_path, capsys):
    from torch._inductor import config

    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "cache"))
    model = build()
    plain = learn(model)
    compile_blocks(model, 1, mark)
    with config.patch({"cpp.cxx": (str(tmp_path / "no-compiler"),)}):
        assert torch.equal(learn(model), plain) and torch.equal(learn(model), plain)
    said = capsys.readouterr().out
    assert said.count("WARNING speed.compile: not all blocks can be compiled here, so the training goes on without; ") == 1
    assert not mark.exists()


def fail(turn):
    """From here on this block cannot be compiled."""

    def refuse(*args, **kwargs):
        raise torch._dynamo.exc.TorchDynamoException("no graph")

    turn.compute.compiled = refuse


@needs_compiler
def test_what_was_compiled_stays_so_where_another_block_cannot_be(mark, capsys):
    """A checkpoint that finds another computation in the backward pass than in the forward pass raises."""
    model = build()
    plain = learn(model)
    compile_blocks(model, 1, mark)
    checkpoint_blocks(model, 3)
    fail(find_turns(model)[1])
    for _ in range(2):
        assert learn(model) == pytest.approx(plain, rel=1e-5, abs=1e-5 * plain.abs().max().item())
    assert [turn.compute.works for turn in find_turns(model)] == [True, False, None]
    assert capsys.readouterr().out.count("WARNING speed.compile: not all blocks") == 1


@needs_compiler
@pytest.mark.parametrize("checkpointed", [0, 3])
def test_one_graph_too_many_is_no_reason_to_end(mark, monkeypatch, checkpointed):
    """PyTorch raises what is no RuntimeError."""
    model = build()
    plain = learn(model)
    compile_blocks(model, 1, mark)
    checkpoint_blocks(model, checkpointed)
    monkeypatch.setattr(torch._dynamo.config, "recompile_limit", 1)  # the first block has a graph of its own
    assert learn(model) == pytest.approx(plain, rel=1e-5, abs=1e-5 * plain.abs().max().item())
    assert [turn.compute.works for turn in find_turns(model)] == [True, False, None]


@needs_compiler
def test_a_backward_pass_that_cannot_be_compiled_is_found_in_the_forward_pass(mark, monkeypatch, tmp_path):
    from torch._inductor.graph import GraphLowering

    def refuse(graph):
        if graph.is_backward:
            raise RuntimeError("no such kernel")
        return codegen(graph)

    codegen = GraphLowering.codegen
    monkeypatch.setattr(GraphLowering, "codegen", refuse)
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "cache"))
    model = build()
    plain = learn(model)
    compile_blocks(model, 1, mark)
    assert torch.equal(learn(model), plain)
    assert [turn.compute.works for turn in find_turns(model)] == [False, None, None]


def test_what_breaks_in_a_block_is_not_the_compilers_fault(mark):
    def break_down(*args, **kwargs):
        raise torch.OutOfMemoryError("no memory")

    model = build()
    compile_blocks(model, 1, mark)
    compute = find_turns(model)[0].compute
    compute.compiled = break_down
    with pytest.raises(torch.OutOfMemoryError):
        learn(model)
    assert not compute.state.is_off


def test_few_sizes_have_graphs_of_their_own_and_many_share_them():
    assert [count_graphs(2, shapes) for shapes in (1, 2, 4, 5, 50)] == [4, 8, 16, 4, 4]


@pytest.mark.parametrize(
    ("steps", "seconds", "is_warm", "expected"),
    [
        (1500, 0.5, False, True),  # 150 s are saved for 100 s
        (900, 0.5, False, False),  # 90 s
        (900, 0.5, True, True),  # of 16 s
        (100, 0.5, True, False),
        (10**6, None, True, False),  # nobody knows how long a step takes
    ],
)
def test_compiles_only_what_repays_it(steps, seconds, is_warm, expected):
    assert is_worth_it(steps, seconds, count_graphs(2, 1), is_warm) == expected


def test_the_cache_outlives_runs(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", "")  # so that it is put back in the end
    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR")
    assert find_cache(tmp_path) == tmp_path / compiling.CACHE
    assert find_mark(tmp_path, "flux", 1) != find_mark(tmp_path, "flux", 2)
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", "/elsewhere")
    assert str(find_cache(tmp_path)) == "/elsewhere"
