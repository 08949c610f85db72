"""Which of PyTorch's kernels the training uses: attention, the order of sums, and how exact products in fp32 are.

What PyTorch's source says of sums that are the same each time (aten/src/ATen/native/transformers/cuda: attention_backward.cu
and sdp_utils.cpp): under `warn_only` the flash kernel's backward pass sums in whatever order comes; it is deterministic in the
strict mode alone, in which cuDNN's is not used. So a resume that is the same bit for bit needs the strict mode, and flash.
There an operation without such a kernel raises; so a step alone is in it (`same_sums`), and where it raises, the loop does the
step again without, and says so (`loosen`)."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

from trainer.config import Speed
from trainer.report import warn

ORDER = {  # in which they are tried; the last ones for sizes that the first do not take
    "flash": [SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH],
    "cudnn": [SDPBackend.CUDNN_ATTENTION, SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH],
}
HEAD = 128  # channels of an attention head of FLUX
CUDNN_FROM = (8, 9)  # compute capability, Ada and newer, where cuDNN's kernel is the fastest
NO_KERNEL = "does not have a deterministic implementation"

_chosen = ExitStack()  # for as long as the process lives, or until another choice
_strict = {"wanted": False}  # whether steps are to have the same sums each time


def set_up(settings: Speed, device: torch.device, dtype: torch.dtype) -> None:
    """Before the first product on the device. Raises ValueError about kernels that are not there."""
    attention = choose_attention(settings, device, dtype)
    _chosen.close()
    if attention in ORDER:
        _chosen.enter_context(sdpa_kernel(ORDER[attention], set_priority=True))
    torch.set_float32_matmul_precision("highest")  # what is fp32 is fp32: the VAE, and a base on a GPU without bf16
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.benchmark = False  # the kernel of the day would be another after a resume
    _strict["wanted"] = device.type == "cuda" and settings.deterministic
    if _strict["wanted"]:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.utils.deterministic.fill_uninitialized_memory = False  # or each new tensor is written twice
        torch.use_deterministic_algorithms(True, warn_only=True)


@contextmanager
def same_sums() -> Iterator[None]:
    """Around a step, whose sums are then taken in the same order each time, where that is wanted."""
    if not _strict["wanted"]:
        yield
        return
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(True, warn_only=True)


def choose_attention(settings: Speed, device: torch.device, dtype: torch.dtype) -> str:
    """native, flash or cudnn. Raises ValueError when what is asked for is not there, or not deterministic."""
    asked = settings.attention
    fitting = ["native", *(name for name in ORDER if is_there(name, device, dtype))]
    if settings.deterministic and "cudnn" in fitting:
        if asked == "cudnn":
            wanted = "flash, or speed.deterministic = false"
            raise ValueError(f"speed.attention: got cudnn, which is not deterministic; expected {wanted}")
        fitting.remove("cudnn")
    if asked == "auto":
        is_new = device.type == "cuda" and torch.cuda.get_device_capability(device) >= CUDNN_FROM
        return next(name for name in ("cudnn", "flash", "native") if name in fitting and (name != "cudnn" or is_new))
    if asked not in fitting:
        kind = f"this {device.type} in {str(dtype).removeprefix('torch.')}"
        raise ValueError(f"speed.attention: got {asked}, which {kind} has not got; expected {' or '.join(['auto', *fitting])}")
    return asked


def is_there(name: str, device: torch.device, dtype: torch.dtype) -> bool:
    """Whether a GPU has the kernel, for FLUX's heads and backward too."""
    if device.type != "cuda":
        return False
    query = torch.empty(1, 1, HEAD, HEAD, dtype=dtype, device=device, requires_grad=True)
    params = torch.backends.cuda.SDPAParams(query, query, query, None, 0.0, False, False)
    cuda = torch.backends.cuda
    return cuda.can_use_cudnn_attention(params) if name == "cudnn" else cuda.can_use_flash_attention(params)


def is_no_deterministic_kernel(error: BaseException) -> bool:
    return isinstance(error, RuntimeError) and NO_KERNEL in str(error)


def loosen(error: BaseException) -> None:
    """Allows sums in any order from here on, as there is an operation that can do no other."""
    what = str(error).split(NO_KERNEL, 1)[0].strip()
    _strict["wanted"] = False
    warn(f"speed.deterministic: {what} cannot sum in the same order each time; a resume may differ in the last digits")
