"""What is particular to one family of models stands behind this interface; the rest of the trainer knows no model.

A family is one file (flux1.py for FLUX.1): how texts and images are encoded, how latents become tokens, what the transformer
is asked and answers, which of its linears a LoRA is on, what they are called elsewhere, and how a picture is drawn."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any, ClassVar

import torch
from accelerate import cpu_offload
from torch import Tensor

from trainer.buckets import Size
from trainer.flow import Batch
from trainer.model import Base, fingerprint, free, has_room, loading
from trainer.names import Key
from trainer.parts import Recipe, fill_part, load_part, open_part
from trainer.prompts import Picture
from trainer.report import say, warn
from trainer.weights import Finish

Tensors = dict[str, Tensor]
WORK = 1e9  # bytes that a text encoder takes while it works [assumed]
TOKENS = "tokens"  # of a text's tensors the one that is no condition: how many tokens it has, cut or not


class TextEncoder(ABC):
    """Makes the conditions of a text."""

    @abstractmethod
    def encode(self, text: str) -> Tensors:
        """The conditions of one text, each without a batch, on the CPU; and TOKENS: its number of tokens before it was cut.

        One at a time: results must not depend on what stood beside it."""


class Vae:
    """The image encoder and decoder, in fp32; on the device only while it works."""

    def __init__(self, model: Any, device: torch.device, code: Callable[[Any], Tensor], plain: Callable[[Tensor], Tensor]):
        """`code` makes a latent (1, C, H, W) of what the encoder says; `plain` makes of it what the decoder takes."""
        self.model, self.device, self._code, self._plain = model.requires_grad_(False).eval(), device, code, plain

    @contextmanager
    def on_device(self) -> Iterator[None]:
        self.model.to(self.device)
        try:
            yield
        finally:
            self.model.to("cpu")
            free(self.device)

    @torch.no_grad()
    def encode(self, image: Tensor) -> Tensor:
        """(3, 8H, 8W) in -1..1 -> the latent (C, H, W), from the mean of the posterior, scaled as the transformer expects."""
        return self._code(self.model.encode(image[None].to(self.device)).latent_dist)[0].cpu().contiguous()

    @torch.no_grad()
    def decode(self, latents: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, 3, 8H, 8W) in about -1..1. Beside a training there may be no room for it on the GPU."""
        latents = self._plain(latents.to(self.device).float())
        try:
            return self.model.decode(latents, return_dict=False)[0]
        except torch.OutOfMemoryError as error:
            failed = error.with_traceback(None)  # which holds all that is in memory
        warn(f"the GPU has no room to decode a picture, so the CPU does; {str(failed).split('. ')[0]}")
        self.model.to("cpu")
        free(self.device)
        return self.model.decode(latents.cpu(), return_dict=False)[0]


class Family(ABC):
    """A base model of one family, found and checked."""

    title: ClassVar[str]  # as people call it
    pipelines: ClassVar[tuple[str, ...]]  # diffusers' names for it, in model_index.json
    configs: ClassVar[Mapping[str, str]]  # the parts of its folder, each with the file that says how it is built
    recipes: ClassVar[Mapping[str, Recipe]]  # the parts that hold weights, and how each is built
    settings: ClassVar[Mapping[str, str]]  # by part the setting of [model] that gives it as a file or a folder of its own
    sources: ClassVar[tuple[str, ...]]  # models on the Hub whose tokenizers are this family's
    text_parts: ClassVar[tuple[str, ...]]  # the parts on which the conditions of a text depend
    targets: ClassVar[Mapping[str, tuple[str, ...]]]  # ends of the names of linears with a LoRA, by lora.targets
    keys: ClassVar[tuple[Key, ...]]  # every module by both of its names
    lora_keys: ClassVar[tuple[Key, ...]] = ()  # more names that modules have in LoRA files
    lora_marks: ClassVar[tuple[str, ...]] = ()  # modules without which InvokeAI does not know a LoRA in diffusers' form
    kohya_prefix: ClassVar[str] = "lora_unet_"
    base_version: ClassVar[str]  # kohya's ss_base_model_version

    def __init__(self, base: Base):
        self.base = base

    # ---- what it is ------------------------------------------------------------------------------------------------------
    @classmethod
    @abstractmethod
    def find_shape_problems(cls, configs: Mapping[str, Mapping[str, Any]]) -> list[str]:
        """What in the configs of its parts is not of this family, one sentence each."""

    @classmethod
    @abstractmethod
    def is_guided(cls, transformer: Mapping[str, Any]) -> bool:
        """Whether a transformer with this config takes a guidance value."""

    @classmethod
    @abstractmethod
    def text_length(cls, is_guided: bool) -> int:
        """How many tokens of a text it was trained with."""

    @property
    @abstractmethod
    def architecture(self) -> str:
        """modelspec's name for it, without '/lora'."""

    def fingerprint(self, part: str) -> str:
        """Names the content of one part."""
        return fingerprint(self.base.parts[part])

    # ---- its parts ---------------------------------------------------------------------------------------------------------
    @abstractmethod
    def text_encoder(self) -> AbstractContextManager[TextEncoder]:
        """On the device for as long as the block runs."""

    @abstractmethod
    def load_vae(self) -> Vae:
        """On the CPU."""

    def load_transformer(self, finish: Finish | None = None) -> Any:
        """On the device, frozen; `finish` is called with each block before the next is read (weights.stream_into)."""
        say(f"Loading transformer: {self.base.name}")
        return self.load("transformer", self.base.dtype, self.base.device, finish)

    def load(self, part: str, dtype: torch.dtype, device: torch.device, finish: Finish | None = None) -> Any:
        """One part, frozen. Raises ModelError."""
        with loading(self.base, part):
            return load_part(self.base.parts[part], self.recipes[part], dtype, device, finish)

    def load_text_model(self, part: str) -> Any:
        """A text encoder, on the device. T5-XXL takes 9.5 GB: of one too large for a GPU each layer comes when it is at work,
        with the same numbers. Raises ModelError."""
        base = self.base
        with loading(base, part):
            module, weights = open_part(base.parts[part], self.recipes[part])
            needed = sum(math.prod(shape) for shape in weights.shapes.values()) * base.dtype.itemsize + WORK
            if has_room(base.device, needed):
                return fill_part(module, weights, base.dtype, base.device)
            warn(
                f"{part} takes {needed / 2**30:.1f} GB and waits in the host's memory, as the GPU has less: encoding is slower"
            )
            return cpu_offload(fill_part(module, weights, base.dtype, torch.device("cpu")), base.device)

    def load_tokenizer(self, part: str, kind: Any) -> Any:
        """Raises ModelError."""
        with loading(self.base, part):
            return kind.from_pretrained(self.base.parts[part].path, local_files_only=True)

    # ---- its mathematics -----------------------------------------------------------------------------------------------------
    def pack(self, latents: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, T, 4C): each token is a patch of 2x2."""
        size, channels, height, width = latents.shape
        patches = latents.reshape(size, channels, height // 2, 2, width // 2, 2).permute(0, 2, 4, 1, 3, 5)
        return patches.reshape(size, height // 2 * (width // 2), channels * 4)

    def unpack(self, img: Tensor, height: int, width: int) -> Tensor:
        """(B, T, 4C) -> (B, C, H, W); height and width of the latent."""
        size, _, channels = img.shape
        patches = img.reshape(size, height // 2, width // 2, channels // 4, 2, 2).permute(0, 3, 1, 4, 2, 5)
        return patches.reshape(size, channels // 4, height, width)

    @abstractmethod
    def sketch(self, size: Size, transformer: Any) -> Batch:
        """A batch of one image of so many px, without numbers: all that is known of it before it is encoded."""

    @abstractmethod
    def find_shift(self, tokens: int) -> float:
        """The factor by which noise levels are moved towards noise, by the number of image tokens."""

    @abstractmethod
    def predict(self, transformer: Any, img: Tensor, batch: Batch, sigmas: Tensor, guidance: float) -> Tensor:
        """The transformer's velocity for noisy tokens (B, T, D) at noise levels (B,), at its own precision."""

    # ---- drawing -------------------------------------------------------------------------------------------------------------
    @property
    def draws_with_guidance(self) -> bool:
        """Whether a picture's guidance has an effect."""
        return self.base.is_guided

    def find_cfg(self, picture: Picture) -> float:
        """The scale of classifier-free guidance with which a picture is drawn; 1: there is none."""
        return picture.cfg

    @abstractmethod
    def draw(self, transformer: Any, picture: Picture, conditions: Tensors, negative: Tensors) -> Tensor:
        """The latent (1, C, H, W) of a picture, from the conditions of its prompt and of its negative prompt."""
