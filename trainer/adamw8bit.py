"""AdamW whose moments are kept in 8 bits, in blocks with a scale each: Dettmers et al. 2022 (arXiv 2110.02861).

Needs bitsandbytes, whose own step waits for the GPU after each weight, 836 times for FLUX.1; this one never does. Weights of
under 4,096 numbers keep their moments in fp32."""

from collections.abc import Callable
from typing import Any

import torch
from bitsandbytes.optim import AdamW8bit as _AdamW8bit


class AdamW8bit(_AdamW8bit):
    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> None:
        assert closure is None
        if not self.initialized:
            self.check_overrides()
            self.to_gpu()
            self.initialized = True
        for number, group in enumerate(self.param_groups):
            for place, weight in enumerate(group["params"]):
                if not self.state[weight]:
                    self.init_state(group, weight, number, place)
                self.update_step(group, weight, number, place)
