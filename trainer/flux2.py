"""FLUX.2 klein, 4 B and 9 B, base and distilled. All that the trainer knows of it stands here.

Names and formulas are those of black-forest-labs/flux2; the modules are diffusers'. As FLUX.1, but: one text encoder (Qwen3,
three of its layers side by side), latents that are normalised instead of shifted and scaled, positions on four axes, and
one modulation for all blocks."""

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar

import torch
from diffusers import AutoencoderKLFlux2, Flux2Transformer2DModel
from torch import Tensor
from transformers import AutoTokenizer, Qwen3Config, Qwen3Model

from trainer.anatomy import FLUX2_KLEIN, QWEN_MARKS, VAE_MARKS
from trainer.buckets import Size
from trainer.encoders import VAE_KEYS, infer_qwen, infer_vae
from trainer.family import TOKENS, Family, Key, Tensors, TextEncoder, Vae
from trainer.flow import Batch
from trainer.flux import ATTENTION, KEYS, double, infer_blocks, single
from trainer.model import free
from trainer.names import Shapes
from trainer.parts import Recipe
from trainer.prompts import Picture
from trainer.report import say
from trainer.timesteps import shift_sigmas

LAYERS = (9, 18, 27)  # of Qwen3, whose outputs are the conditions
LENGTH = 512  # tokens of a text
FUSED = ("attn.to_qkv_mlp_proj", "attn.to_out")  # of the single blocks, where attention and MLP are one
MLP = tuple(f"{stream}.linear_{end}" for stream in ("ff", "ff_context") for end in ("in", "out"))


NAMES = (
    *KEYS,
    double("img_mlp.0", "ff.linear_in", rows=(6,)),
    double("img_mlp.2", "ff.linear_out", rows=(1 / 3,)),
    double("txt_mlp.0", "ff_context.linear_in", rows=(6,)),
    double("txt_mlp.2", "ff_context.linear_out", rows=(1 / 3,)),
    single("linear1", "attn.to_qkv_mlp_proj", rows=(9,)),
    single("linear2", "attn.to_out", rows=(1 / 4,)),
    Key("time_in.in_layer", ("time_guidance_embed.timestep_embedder.linear_1",)),
    Key("time_in.out_layer", ("time_guidance_embed.timestep_embedder.linear_2",)),
    Key("double_stream_modulation_img.lin", ("double_stream_modulation_img.linear",)),
    Key("double_stream_modulation_txt.lin", ("double_stream_modulation_txt.linear",)),
    Key("single_stream_modulation.lin", ("single_stream_modulation.linear",)),
)


def infer_transformer(shapes: Shapes) -> dict[str, Any]:
    """The config of a Flux2Transformer2DModel."""
    common = infer_blocks(shapes)
    head = common["attention_head_dim"]
    return common | {
        "timestep_guidance_channels": shapes["time_guidance_embed.timestep_embedder.linear_1.weight"][1],
        "mlp_ratio": shapes["transformer_blocks.0.ff.linear_out.weight"][1] / shapes["x_embedder.weight"][0],
        "axes_dims_rope": (head // 4,) * 4,
        "guidance_embeds": any("guidance_in." in name or "guidance_embedder." in name for name in shapes),
    }


def build_qwen(config: dict[str, Any]) -> Qwen3Model:
    """As many layers as are looked at, and one more: the output of the last would be normalised."""
    layers = min(config["num_hidden_layers"], max(LAYERS) + 1)
    kept = {name: value for name, value in config.items() if name not in ("layer_types", "max_window_layers")}
    return Qwen3Model(Qwen3Config(**kept | {"num_hidden_layers": layers}))


class Flux2Klein(Family):
    """Shapes: C 32 channels, H and W an eighth of the image; T = H/2 * W/2 tokens of 128; txt (L, 3 * Qwen's width)."""

    title, pipelines, configs = FLUX2_KLEIN.title, FLUX2_KLEIN.pipelines, FLUX2_KLEIN.configs
    settings, sources = FLUX2_KLEIN.settings, FLUX2_KLEIN.sources
    text_parts = ("text_encoder", "tokenizer")
    recipes: ClassVar[Mapping[str, Recipe]] = {
        "transformer": Recipe(
            "FLUX.2 klein's transformer",
            Flux2Transformer2DModel.from_config,
            infer_transformer,
            FLUX2_KLEIN.marks["transformer"],
            NAMES,
        ),
        "vae": Recipe("FLUX.2's VAE", AutoencoderKLFlux2.from_config, infer_vae, VAE_MARKS, VAE_KEYS),
        "text_encoder": Recipe("FLUX.2 klein's Qwen3", build_qwen, infer_qwen, QWEN_MARKS, is_whole=False),
    }
    targets: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "attention": ATTENTION + FUSED,
        "all": ATTENTION + FUSED + MLP,
    }
    keys = NAMES
    base_version = "flux2"

    # ---- what it is ------------------------------------------------------------------------------------------------------
    @classmethod
    def find_shape_problems(cls, configs: Mapping[str, Mapping[str, Any]]) -> list[str]:
        transformer, vae, qwen = configs["transformer"], configs["vae"], configs["text_encoder"]
        problems = []
        got = transformer.get("in_channels"), vae.get("latent_channels"), len(vae.get("block_out_channels", []))
        if got != (128, 32, 4):
            problems.append(f"got (in_channels, latent_channels, VAE blocks) = {got}, expected (128, 32, 4), which FLUX.2 has")
        width = len(LAYERS) * qwen.get("hidden_size", 0)
        if width != transformer.get("joint_attention_dim"):
            said, asked = f"got a Qwen3 that gives {width} channels", transformer.get("joint_attention_dim")
            problems.append(f"text_encoder: {said}, expected {asked}: klein 4B goes with Qwen3-4B, 9B with Qwen3-8B")
        if qwen.get("num_hidden_layers", 0) <= max(LAYERS):
            problems.append(f"text_encoder: got {qwen.get('num_hidden_layers')} layers, expected over {max(LAYERS)}")
        if transformer.get("guidance_embeds", True):
            problems.append("transformer: got one that takes guidance, as FLUX.2 dev does; expected FLUX.2 klein")
        return problems

    @classmethod
    def is_guided(cls, transformer: Mapping[str, Any]) -> bool:
        return False

    @classmethod
    def text_length(cls, is_guided: bool) -> int:
        return LENGTH

    @property
    def architecture(self) -> str:
        return "flux-2-klein"

    @property
    def is_distilled(self) -> bool:
        """Draws in four steps without guidance; of a single file the name tells, as in diffusers' own converter."""
        options = self.base.options
        return bool(options.get("is_distilled")) if options else "base" not in Path(self.base.name).name.lower()

    # ---- its parts ---------------------------------------------------------------------------------------------------------
    @contextmanager
    def text_encoder(self) -> Iterator[TextEncoder]:
        say(f"Loading text encoder: {self.base.name}")
        model = self.load_text_model("text_encoder")
        encoder = _Qwen(model, self.load_tokenizer("tokenizer", AutoTokenizer), self.base)
        del model
        try:
            yield encoder
        finally:
            encoder.model = None  # the caller's variable outlives the block; the memory must not
            free(self.base.device)

    def load_vae(self) -> Vae:
        say(f"Loading VAE: {self.base.name}")
        model = self.load("vae", torch.float32, torch.device("cpu"))
        return Vae(model, self.base.device, lambda posterior: normalise(model, posterior.mean), lambda z: restore(model, z))

    # ---- its mathematics -----------------------------------------------------------------------------------------------------
    def sketch(self, size: Size, transformer: Any) -> Batch:
        width, height = size
        with torch.device("meta"):
            text = torch.empty(1, self.base.max_sequence_length, transformer.config.joint_attention_dim)
            return Batch(torch.empty(1, 32, height // 8, width // 8), {"txt": text})

    def find_shift(self, tokens: int) -> float:
        """e^mu, mu FLUX.1's line: what FLUX.2's rule for sampling tends to for many steps.

        black-forest-labs/flux2, src/flux2/sampling.py, compute_empirical_mu, its line for 200 steps."""
        return math.exp(0.00016927 * tokens + 0.45666666)

    def predict(self, transformer: Any, img: Tensor, batch: Batch, sigmas: Tensor, guidance: float) -> Tensor:
        dtype, txt = self.base.dtype, batch.conditions["txt"]
        height, width = batch.latents.shape[2:]
        return transformer(
            hidden_states=img.to(dtype),
            timestep=sigmas.to(dtype),  # 0..1: Flux2Transformer2DModel multiplies by 1000 itself
            encoder_hidden_states=txt.to(dtype),
            txt_ids=make_txt_ids(txt.shape[1], img.device),
            img_ids=make_img_ids(height, width, img.device),
            return_dict=False,
        )[0]

    # ---- drawing -------------------------------------------------------------------------------------------------------------
    @property
    def draws_with_guidance(self) -> bool:
        return not self.is_distilled

    def find_cfg(self, picture: Picture) -> float:
        """Its guidance is classifier-free: `cfg` where it is set, else `guidance`; the distilled models have none."""
        if self.is_distilled:
            return 1.0
        return picture.cfg if picture.cfg > 1 else picture.guidance

    def draw(self, transformer: Any, picture: Picture, conditions: Tensors, negative: Tensors) -> Tensor:
        """Euler steps over FLUX.2's noise levels, as Flux2KleinPipeline takes them."""
        device, height, width = self.base.device, picture.height // 8, picture.width // 8
        generator = torch.Generator().manual_seed(picture.seed)
        noise = torch.randn(1, 128, height // 2, width // 2, generator=generator)
        img = noise.flatten(2).transpose(1, 2).to(device)  # (1, T, 128)
        like = torch.empty(1, 32, height, width, device="meta")  # a batch of this size
        cfg = self.find_cfg(picture)
        texts = [conditions, negative] if cfg > 1 else [conditions]
        batches = [Batch(like, {"txt": text["txt"][None].to(device)}) for text in texts]
        for now, after in pairwise(list_sigmas(img.shape[1], picture.steps)):
            sigmas = torch.full((1,), now, device=device)
            velocities = [self.predict(transformer, img, batch, sigmas, 0).float() for batch in batches]
            velocity = velocities[-1] + cfg * (velocities[0] - velocities[-1]) if len(batches) > 1 else velocities[0]
            img = img + (after - now) * velocity
        return self.unpack(img, height, width)


class _Qwen(TextEncoder):
    """txt (L, 3 * width): what three layers of Qwen3 make of the text as a user's message, padding included."""

    def __init__(self, model: Any, tokenizer: Any, base: Any):
        self.model, self.tokenizer, self.length, self.device = model, tokenizer, base.max_sequence_length, base.device

    @torch.no_grad()
    def encode(self, text: str) -> Tensors:
        messages = [{"role": "user", "content": text}]
        said = self.tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True, enable_thinking=False)
        tokens = torch.tensor(len(self.tokenizer(said).input_ids))
        ids = self.tokenizer(said, padding="max_length", truncation=True, max_length=self.length, return_tensors="pt")
        got = self.model(**ids.to(self.device), output_hidden_states=True, use_cache=False).hidden_states
        txt = torch.cat([got[layer] for layer in LAYERS], dim=-1)  # (1, L, 3 * width)
        return {"txt": txt[0].cpu().contiguous(), TOKENS: tokens}


def normalise(vae: Any, latents: Tensor) -> Tensor:
    """(B, C, H, W): each of the 4C channels of a patch of 2x2 to mean 0 and deviation 1, as the VAE's batch norm says."""
    mean, deviation = _find_statistics(vae, latents)
    return (latents - mean) / deviation


def restore(vae: Any, latents: Tensor) -> Tensor:
    """The latents that `normalise` was given."""
    mean, deviation = _find_statistics(vae, latents)
    return latents * deviation + mean


def _find_statistics(vae: Any, latents: Tensor) -> tuple[Tensor, Tensor]:
    """(1, C, H, W) each: the four channels of a patch laid out as the patch is."""
    _, channels, height, width = latents.shape
    variance = vae.bn.running_var + vae.config.batch_norm_eps
    found = (tensor.reshape(1, channels, 2, 2) for tensor in (vae.bn.running_mean, variance.sqrt()))
    mean, deviation = (tensor.tile(1, 1, height // 2, width // 2).to(latents) for tensor in found)
    return mean, deviation


def make_txt_ids(length: int, device: torch.device | None = None) -> Tensor:
    """(L, 4): for each token three zeros and its place in the text. Made where they are needed."""
    zero, places = (torch.arange(float(count), device=device) for count in (1, length))
    return torch.cartesian_prod(zero, zero, zero, places)


def make_img_ids(height: int, width: int, device: torch.device | None = None) -> Tensor:
    """(T, 4): for each token 0, its row, its column and 0; height and width of the latent."""
    zero, rows, columns = (torch.arange(float(count), device=device) for count in (1, height // 2, width // 2))
    return torch.cartesian_prod(zero, rows, columns, zero)


def list_sigmas(tokens: int, steps: int) -> list[float]:
    """The noise levels of a drawing, from 1 to 0: even ones, shifted by e^mu.

    black-forest-labs/flux2, src/flux2/sampling.py, compute_empirical_mu: mu between two lines, for 10 and for 200 steps."""
    many, few = 0.00016927 * tokens + 0.45666666, 8.73809524e-05 * tokens + 1.89833333
    mu = many if tokens > 4300 else many + (few - many) / 190 * (200 - steps)
    levels = shift_sigmas(torch.linspace(1, 1 / steps, steps), math.exp(mu))
    return [*levels.tolist(), 0.0]
