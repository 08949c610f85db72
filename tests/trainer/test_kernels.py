"""What PyTorch may choose is set in one place; what a machine has not got is refused with the choices."""

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

from trainer import kernels
from trainer.config import Speed
from trainer.kernels import ORDER, choose_attention, is_no_deterministic_kernel, loosen, same_sums, set_up

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def put_back():
    before = torch.backends.cudnn.allow_tf32, torch.backends.cudnn.benchmark, torch.are_deterministic_algorithms_enabled()
    yield
    kernels._chosen.close()
    torch.backends.cudnn.allow_tf32, torch.backends.cudnn.benchmark = before[:2]
    torch.use_deterministic_algorithms(before[2])


def test_a_cpu_has_one_kernel():
    assert choose_attention(Speed(), CPU, torch.float32) == "native"
    for name in ORDER:
        with pytest.raises(ValueError, match=f"got {name}, which this cpu in float32 has not got; expected auto or native"):
            choose_attention(Speed(attention=name), CPU, torch.float32)


@pytest.mark.parametrize(
    ("settings", "there", "capability", "chosen"),
    [
        ({}, ["flash", "cudnn"], (9, 0), "flash"),  # the fastest that sums in the same order each time
        ({"deterministic": False}, ["flash", "cudnn"], (9, 0), "cudnn"),
        ({"deterministic": False}, ["flash", "cudnn"], (8, 6), "flash"),
        ({"deterministic": False}, ["flash"], (9, 0), "flash"),
        ({"attention": "native"}, ["flash", "cudnn"], (9, 0), "native"),
        ({}, [], (7, 5), "native"),
    ],
)
def test_auto_takes_the_fastest_that_is_allowed(monkeypatch, settings, there, capability, chosen):
    monkeypatch.setattr(kernels, "is_there", lambda name, device, dtype: name in there)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    assert choose_attention(Speed(**settings), torch.device("cuda"), torch.bfloat16) == chosen


def test_cudnn_is_refused_where_sums_must_be_the_same(monkeypatch):
    monkeypatch.setattr(kernels, "is_there", lambda name, device, dtype: True)
    with pytest.raises(ValueError, match=r"expected flash, or speed\.deterministic = false"):
        choose_attention(Speed(attention="cudnn"), torch.device("cuda"), torch.bfloat16)


def test_fp32_is_fp32(monkeypatch):
    torch.backends.cudnn.allow_tf32 = torch.backends.cudnn.benchmark = True
    set_up(Speed(), CPU, torch.float32)
    assert torch.get_float32_matmul_precision() == "highest"
    assert not torch.backends.cudnn.allow_tf32 and not torch.backends.cudnn.benchmark


def test_the_order_of_kernels_is_what_torch_is_told():
    query = torch.ones(1, 1, 4, 8)
    with sdpa_kernel(ORDER["cudnn"], set_priority=True):
        assert torch.nn.attention._cur_sdpa_kernel_backends(with_priority=True)[0] == SDPBackend.CUDNN_ATTENTION
        assert torch.nn.functional.scaled_dot_product_attention(query, query, query).shape == query.shape


def test_an_operation_without_a_deterministic_kernel_is_told_and_allowed(monkeypatch, capsys):
    monkeypatch.setitem(kernels._strict, "wanted", True)
    error = RuntimeError("cumsum_cuda_kernel does not have a deterministic implementation, but you set ...")
    assert is_no_deterministic_kernel(error) and not is_no_deterministic_kernel(RuntimeError("other"))
    with same_sums():
        assert torch.are_deterministic_algorithms_enabled() and not torch.is_deterministic_algorithms_warn_only_enabled()
    assert torch.is_deterministic_algorithms_warn_only_enabled()  # between steps: encoding and drawing must not fail
    loosen(error)
    with same_sums():
        assert torch.is_deterministic_algorithms_warn_only_enabled()
    assert "WARNING speed.deterministic: cumsum_cuda_kernel cannot sum in the same order" in capsys.readouterr().out


def test_a_cpu_sums_the_same_anyway():
    set_up(Speed(), CPU, torch.float32)
    with same_sums():
        assert not torch.are_deterministic_algorithms_enabled()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_attention_on_a_gpu_is_the_same_each_time():
    set_up(Speed(), torch.device("cuda"), torch.bfloat16)
    query = torch.randn(1, 4, 2048, 128, device="cuda", dtype=torch.bfloat16, requires_grad=True)
    gradients = []
    for _ in range(3):
        with same_sums():
            torch.nn.functional.scaled_dot_product_attention(query, query, query).square().sum().backward()
        gradients.append(query.grad)
        query.grad = None
    assert torch.equal(gradients[0], gradients[1]) and torch.equal(gradients[0], gradients[2])
