"""FLOPs of a training step, and what a card could do at best: from the two comes the MFU that the log tells.

The base is frozen: the backward pass has gradients of inputs but none of its weights, so a linear costs as much again as
forward, and attention 2.5 times as much. Tensor cores are counted as their maker does, dense, with sums in fp32."""

from dataclasses import dataclass
from typing import Literal

from trainer.trace import Trace

Kind = Literal["bf16", "fp8", "int8"]  # of the numbers that are multiplied


def count_model_flops(trace: Trace) -> float:
    """What a step needs at least: forward and backward once. MFU is of these alone, however often a block is computed
    (Chowdhery et al. 2022, PaLM, arXiv 2204.02311, appendix B)."""
    return trace.forward + trace.backward


def count_step_flops(trace: Trace, checkpointed: int) -> float:
    """What a step computes with the first so many blocks checkpointed: their forward pass twice."""
    return count_model_flops(trace) + sum(part.forward for part in trace.blocks[:checkpointed])


@dataclass(frozen=True)
class Card:
    """A GPU. The peaks are TFLOP/s of dense products with fp32 sums, TOP/s with int32 sums for int8; 0: it cannot."""

    name: str  # the words of torch.cuda.get_device_name that tell it from others
    memory: int  # GB
    bf16: float
    fp8: float
    int8: float

    def peak(self, kind: Kind) -> float:
        """FLOP/s."""
        return {"bf16": self.bf16, "fp8": self.fp8, "int8": self.int8}[kind] * 1e12


# NVIDIA's data sheets and white papers; where they count with sparsity, half of it. Of GeForce cards the white papers'
# rows "with FP32 accumulate", which for fp16, bf16 and fp8 are half of those on the box.
CARDS = (
    # Blackwell: HGX B200 data sheet; RTX Blackwell architecture white paper, appendix A
    Card("B200", 180, 2250, 4500, 4500),
    Card("RTX 5090", 32, 209.5, 419, 838),
    Card("RTX 5080", 16, 112.6, 225.1, 450.2),
    Card("RTX 5070 Ti", 16, 87.9, 175.8, 351.5),
    Card("RTX 5070", 12, 61.7, 123.5, 246.9),
    # Hopper: H100 architecture white paper, table 2; H100 NVL and H200 data sheets
    Card("H200", 141, 989.4, 1978.9, 1978.9),
    Card("H100", 80, 989.4, 1978.9, 1978.9),
    Card("H100 NVL", 94, 835.5, 1670.5, 1670.5),
    Card("H100 PCIe", 80, 756, 1513, 1513),
    # Ada: L40S, L40, L4 and RTX 6000 Ada data sheets; Ada architecture white paper, appendices A and B
    Card("L40S", 48, 362, 733, 733),
    Card("L40", 48, 181, 362, 362),
    Card("L4", 24, 121, 242.5, 242.5),
    Card("RTX 6000 Ada", 48, 364.2, 728.5, 728.5),
    Card("RTX 4090", 24, 165.2, 330.3, 660.6),
    Card("RTX 4080 SUPER", 16, 104.4, 208.8, 417.7),
    Card("RTX 4080", 16, 97.5, 194.9, 389.9),
    Card("RTX 4070 Ti SUPER", 16, 88.2, 176.4, 352.8),
    Card("RTX 4070 Ti", 12, 80.2, 160.4, 320.7),
    Card("RTX 4070 SUPER", 12, 71, 142, 284),
    Card("RTX 4070", 12, 58.3, 116.6, 233.2),
    Card("RTX 4060 Ti", 16, 44.1, 88.3, 176.5),
    Card("RTX 4060", 8, 30.2, 60.5, 121),
    # Ampere: A100, A40, A10 and RTX A5000 data sheets; GA102 architecture white paper, tables 2 and 8 and appendix A
    Card("A100", 80, 312, 0, 624),
    Card("A100 PCIe", 80, 312, 0, 624),
    Card("A40", 48, 149.7, 0, 299.3),
    Card("A10", 24, 125, 0, 250),
    Card("RTX A6000", 48, 154.8, 0, 309.7),
    Card("RTX A5000", 24, 111.1, 0, 222.2),
    Card("RTX 3090 Ti", 24, 80, 0, 320),
    Card("RTX 3090", 24, 71, 0, 284),
    Card("RTX 3080 Ti", 12, 68.2, 0, 272.8),
    Card("RTX 3080", 10, 59.5, 0, 238),
    Card("RTX 3070", 8, 40.6, 0, 162.6),
    Card("RTX 3060 Ti", 8, 32.4, 0, 129.6),
    Card("RTX 3060", 12, 25.5, 0, 101.9),
)
OTHERS = {"TI", "SUPER", "D", "LAPTOP", "MAX", "Q", "NVL", "PCIE", "MIG"}  # words that make another card of one


def find_card(name: str) -> Card | None:
    """The card of that name, such as 'NVIDIA H100 80GB HBM3' or 'H100'; None for one that is not in the table."""
    words = _split(name)
    fitting = [card for card in CARDS if _split(card.name) <= words]
    card = max(fitting, key=lambda card: len(_split(card.name)), default=None)
    return None if card is None or (words - _split(card.name)) & OTHERS else card


def _split(name: str) -> set[str]:
    return set(name.upper().replace("-", " ").split())
