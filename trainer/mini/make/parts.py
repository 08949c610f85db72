"""The parts of flux-mini: where a work folder keeps them, how big they are, how text is read and noise drawn.

Shapes as in trainer/flow.py; for 96 px a latent is (16, 12, 12) and has 36 tokens.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import torch
from diffusers import AutoencoderKL, FluxTransformer2DModel
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer, T5Config, T5EncoderModel, T5TokenizerFast

from trainer.flow import Noise
from trainer.flux1 import Flux1
from trainer.model import Base
from trainer.timesteps import shift_sigmas

FLUX = Flux1(Base("flux-mini", {}, torch.device("cpu"), torch.float32, max_sequence_length=24, is_guided=True))
CHANNELS = (8, 16, 48, 80)  # of the autoencoder's four levels


@dataclass(frozen=True)
class Work:
    """Every path of a work folder."""

    path: Path

    @property
    def clip_tokenizer(self) -> Path:
        return self.path / "tokenizer"

    @property
    def t5_tokenizer(self) -> Path:
        return self.path / "tokenizer_2"

    @property
    def scenes(self) -> Path:
        return self.path / "scenes.npy"

    @property
    def rows(self) -> Path:
        return self.path / "scenes.json"

    @property
    def drawings(self) -> Path:
        return self.path / "drawings.npy"

    @property
    def vae(self) -> Path:
        return self.path / "vae"

    @property
    def latents(self) -> Path:
        return self.path / "latents.pt"

    @property
    def pretrained(self) -> Path:
        return self.path / "pretrained"

    @property
    def distilled(self) -> Path:
        return self.path / "distilled"

    def read_rows(self) -> list[tuple[str, str]]:
        """(subject, background) of each scene."""
        return [(subject, where) for subject, where in json.loads(self.rows.read_text(encoding="utf-8"))]


def new_vae() -> AutoencoderKL:
    """f8, 16 channels, 1.08 M weights. One norm group: with more groups of so few channels, flat colour is lost."""
    return AutoencoderKL(
        in_channels=3,
        out_channels=3,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=CHANNELS,
        layers_per_block=1,
        latent_channels=16,
        norm_num_groups=1,
        sample_size=96,
        mid_block_add_attention=False,
        use_quant_conv=False,
        use_post_quant_conv=False,
    )


def new_transformer() -> FluxTransformer2DModel:
    """4.04 M weights. The modulations and the last projection start at zero, as in DiT (arXiv 2212.09748, section 3.2)."""
    transformer = FluxTransformer2DModel(
        patch_size=1,
        in_channels=64,
        num_layers=2,
        num_single_layers=5,
        attention_head_dim=32,
        num_attention_heads=5,
        joint_attention_dim=96,
        pooled_projection_dim=64,
        guidance_embeds=True,
        axes_dims_rope=(8, 12, 12),
    )
    for name, module in transformer.named_modules():
        if isinstance(module, nn.Linear):
            nn.init.xavier_uniform_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
            if ("norm" in name and name.endswith("linear")) or name == "proj_out":
                nn.init.zeros_(module.weight)
    return transformer


def new_t5(vocabulary: int) -> T5EncoderModel:
    """0.27 M weights."""
    sizes = {"d_model": 96, "d_kv": 24, "num_heads": 4, "d_ff": 192, "num_layers": 2, "num_decoder_layers": 2}
    ids = {"pad_token_id": 0, "eos_token_id": 1}
    kind = {"feed_forward_proj": "gated-gelu", "dropout_rate": 0.0, "is_encoder_decoder": False, "use_cache": False}
    return T5EncoderModel(T5Config(vocab_size=vocabulary, **sizes, **ids, **kind))


def new_clip(tokenizer: CLIPTokenizer) -> CLIPTextModel:
    """0.16 M weights. The ids must be the tokenizer's own: the pooled output is taken at the end token."""
    sizes = {"hidden_size": 64, "intermediate_size": 128, "projection_dim": 64, "num_hidden_layers": 2}
    ids = {name: getattr(tokenizer, name) for name in ("bos_token_id", "eos_token_id", "pad_token_id")}
    vocabulary = len(tokenizer)
    return CLIPTextModel(
        CLIPTextConfig(vocab_size=vocabulary, num_attention_heads=4, max_position_embeddings=77, **sizes, **ids)
    )


@dataclass
class Parts:
    """Everything that is trained together: both text encoders with their tokenizers, and the transformer. fp32."""

    clip_tokenizer: CLIPTokenizer
    t5_tokenizer: T5TokenizerFast
    clip: CLIPTextModel
    t5: T5EncoderModel
    transformer: FluxTransformer2DModel

    @classmethod
    def new(cls, work: Work) -> Self:
        clip_tokenizer = CLIPTokenizer.from_pretrained(work.clip_tokenizer)
        t5_tokenizer = T5TokenizerFast.from_pretrained(work.t5_tokenizer)
        return cls(clip_tokenizer, t5_tokenizer, new_clip(clip_tokenizer), new_t5(len(t5_tokenizer)), new_transformer())

    @classmethod
    def load(cls, work: Work, folder: Path) -> Self:
        """What save() wrote into `folder`, with the tokenizers of the work folder."""
        return cls(
            CLIPTokenizer.from_pretrained(work.clip_tokenizer),
            T5TokenizerFast.from_pretrained(work.t5_tokenizer),
            CLIPTextModel.from_pretrained(folder / "text_encoder").float(),
            T5EncoderModel.from_pretrained(folder / "text_encoder_2").float(),
            FluxTransformer2DModel.from_pretrained(folder / "transformer").float(),
        )

    def save(self, folder: Path) -> None:
        self.clip.save_pretrained(folder / "text_encoder")
        self.t5.save_pretrained(folder / "text_encoder_2")
        self.transformer.save_pretrained(folder / "transformer")

    def weights(self) -> list[nn.Parameter]:
        return [weight for model in (self.transformer, self.t5, self.clip) for weight in model.parameters()]

    def read(self, captions: list[str], length: int) -> dict[str, Tensor]:
        """txt (B, length, 96) and pooled (B, 64), padded like FluxPipeline pads, without an attention mask."""
        pad = {"padding": "max_length", "truncation": True, "return_tensors": "pt"}
        pooled = self.clip(self.clip_tokenizer(captions, max_length=min(length, 77), **pad).input_ids).pooler_output
        return {"txt": self.t5(self.t5_tokenizer(captions, max_length=length, **pad).input_ids)[0], "pooled": pooled}


def draw_noise(latents: Tensor, generator: torch.Generator | None = None) -> Noise:
    """Noise for (B, C, H, W) at logit-normal levels, shifted as FLUX's sampler shifts so many tokens."""
    tokens = FLUX.pack(latents).shape[1:]
    sigmas = torch.randn(len(latents), generator=generator).sigmoid()
    noise = torch.randn(len(latents), *tokens, generator=generator)
    return Noise(shift_sigmas(sigmas, FLUX.find_shift(tokens[0])), noise)
