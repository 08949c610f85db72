"""FLUX.1: dev, schnell, Krea and what was made of them. All that the trainer knows of it stands here.

Names and formulas are those of black-forest-labs/flux; the modules are diffusers'."""

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar

import torch
from diffusers import AutoencoderKL, FlowMatchEulerDiscreteScheduler, FluxPipeline, FluxTransformer2DModel
from torch import Tensor
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer, T5Config, T5EncoderModel, T5TokenizerFast

from trainer.anatomy import CLIP_MARKS, FLUX1, T5_MARKS, VAE_MARKS
from trainer.buckets import Size
from trainer.encoders import T5_KEYS, VAE_KEYS, infer_clip, infer_t5, infer_vae
from trainer.family import TOKENS, Family, Key, Tensors, TextEncoder, Vae
from trainer.flow import Batch
from trainer.flux import ATTENTION, KEYS, double, infer_blocks, single
from trainer.model import free
from trainer.names import Shapes
from trainer.parts import Recipe
from trainer.prompts import Picture
from trainer.report import say

GUIDED_LENGTH, UNGUIDED_LENGTH = 512, 256  # T5 tokens that FLUX.1-dev and FLUX.1-schnell were trained with
SCALE, SHIFT = 0.3611, 0.1159  # of the VAE's latents
DEV = {"shift": 3.0, "use_dynamic_shifting": True, "base_shift": 0.5, "max_shift": 1.15}  # noise levels when drawing
SCHNELL = {"shift": 1.0, "use_dynamic_shifting": False}
MLP = ("ff.net.0.proj", "ff.net.2", "ff_context.net.0.proj", "ff_context.net.2", "proj_mlp", "proj_out")
MODULATION = ("norm1.linear", "norm1_context.linear", "norm.linear")


def infer_transformer(shapes: Shapes) -> dict[str, Any]:
    """The config of a FluxTransformer2DModel."""
    common = infer_blocks(shapes)
    head = common["attention_head_dim"]
    return common | {
        "pooled_projection_dim": shapes["time_text_embed.text_embedder.linear_1.weight"][1],
        "guidance_embeds": "time_text_embed.guidance_embedder.linear_1.weight" in shapes,
        "axes_dims_rope": (head // 8, *[head // 16 * 7] * 2),
    }


def _infer_vae(shapes: Shapes) -> dict[str, Any]:
    return infer_vae(shapes) | {"scaling_factor": SCALE, "shift_factor": SHIFT}


def _build_clip(config: dict[str, Any]) -> CLIPTextModel:
    return CLIPTextModel(CLIPTextConfig.from_dict(config))


def _build_t5(config: dict[str, Any]) -> T5EncoderModel:
    return T5EncoderModel(T5Config.from_dict(config))


class Flux1(Family):
    """Shapes: C 16 channels, H and W an eighth of the image; T = H/2 * W/2 tokens of 64; txt (L, 4096), pooled (768)."""

    title, pipelines, configs = FLUX1.title, FLUX1.pipelines, FLUX1.configs
    settings, sources = FLUX1.settings, FLUX1.sources
    text_parts = ("text_encoder", "text_encoder_2", "tokenizer", "tokenizer_2")
    targets: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "attention": ATTENTION,
        "all": ATTENTION + MLP,
        "all+modulation": ATTENTION + MLP + MODULATION,
    }
    lora_keys = (  # XLabs'
        double("processor.qkv_lora1", "attn.to_q", "attn.to_k", "attn.to_v"),
        double("processor.qkv_lora2", "attn.add_q_proj", "attn.add_k_proj", "attn.add_v_proj"),
        double("processor.proj_lora1", "attn.to_out.0"),
        double("processor.proj_lora2", "attn.to_add_out"),
        single("processor.qkv_lora", "attn.to_q", "attn.to_k", "attn.to_v"),
        single("processor.proj_lora", "proj_out"),
    )
    lora_marks = ("transformer_blocks.0.attn.add_q_proj", "single_transformer_blocks.0.attn.to_q")
    base_version = "flux1"
    keys = (
        *KEYS,
        double("img_mlp.0", "ff.net.0.proj", rows=(4,)),
        double("img_mlp.2", "ff.net.2", rows=(1 / 4,)),
        double("txt_mlp.0", "ff_context.net.0.proj", rows=(4,)),
        double("txt_mlp.2", "ff_context.net.2", rows=(1 / 4,)),
        double("img_mod.lin", "norm1.linear"),
        double("txt_mod.lin", "norm1_context.linear"),
        single("linear1", "attn.to_q", "attn.to_k", "attn.to_v", "proj_mlp", rows=(1, 1, 1, 4)),
        single("linear2", "proj_out", rows=(1 / 5,)),
        single("modulation.lin", "norm.linear"),
        Key("time_in.in_layer", ("time_text_embed.timestep_embedder.linear_1",)),
        Key("time_in.out_layer", ("time_text_embed.timestep_embedder.linear_2",)),
        Key("vector_in.in_layer", ("time_text_embed.text_embedder.linear_1",)),
        Key("vector_in.out_layer", ("time_text_embed.text_embedder.linear_2",)),
        Key("guidance_in.in_layer", ("time_text_embed.guidance_embedder.linear_1",)),
        Key("guidance_in.out_layer", ("time_text_embed.guidance_embedder.linear_2",)),
    )
    recipes: ClassVar[Mapping[str, Recipe]] = {
        "transformer": Recipe(
            "FLUX.1's transformer",
            FluxTransformer2DModel.from_config,
            infer_transformer,
            FLUX1.marks["transformer"],
            keys,
        ),
        "vae": Recipe("FLUX.1's VAE", AutoencoderKL.from_config, _infer_vae, VAE_MARKS, VAE_KEYS),
        "text_encoder": Recipe("CLIP-L", _build_clip, infer_clip, CLIP_MARKS, is_whole=False),
        "text_encoder_2": Recipe("T5-XXL", _build_t5, infer_t5, T5_MARKS, T5_KEYS),
    }

    # ---- what it is ------------------------------------------------------------------------------------------------------
    @classmethod
    def find_shape_problems(cls, configs: Mapping[str, Mapping[str, Any]]) -> list[str]:
        """Packing and drawing are those of 16 latent channels at an eighth of the image, in patches of 2x2."""
        transformer, vae = configs["transformer"], configs["vae"]
        problems = []
        got = transformer.get("in_channels"), vae.get("latent_channels"), len(vae.get("block_out_channels", []))
        if got != (64, 16, 4):
            problems.append(f"got (in_channels, latent_channels, VAE blocks) = {got}, expected (64, 16, 4), which FLUX.1 has")
        texts = configs["text_encoder"].get("hidden_size"), configs["text_encoder_2"].get("d_model")
        asked = transformer.get("pooled_projection_dim"), transformer.get("joint_attention_dim")
        if texts != asked:
            problems.append(
                f"got text encoders of (CLIP, T5) = {texts} channels, expected {asked}, which the transformer takes"
            )
        return problems

    @classmethod
    def is_guided(cls, transformer: Mapping[str, Any]) -> bool:
        return bool(transformer.get("guidance_embeds"))

    @classmethod
    def text_length(cls, is_guided: bool) -> int:
        return GUIDED_LENGTH if is_guided else UNGUIDED_LENGTH

    @property
    def architecture(self) -> str:
        return f"flux-1-{'dev' if self.base.is_guided else 'schnell'}"

    # ---- its parts ---------------------------------------------------------------------------------------------------------
    @contextmanager
    def text_encoder(self) -> Iterator[TextEncoder]:
        base = self.base
        say(f"Loading text encoders: {base.name}")
        clip, t5 = (self.load_text_model(part) for part in ("text_encoder", "text_encoder_2"))
        tokenizers = self.load_tokenizer("tokenizer", CLIPTokenizer), self.load_tokenizer("tokenizer_2", T5TokenizerFast)
        encoder = _ClipAndT5(FluxPipeline(None, None, clip, tokenizers[0], t5, tokenizers[1], None), base.max_sequence_length)
        del clip, t5
        try:
            yield encoder
        finally:
            encoder.pipe = None  # the caller's variable outlives the block; the memory must not
            free(base.device)

    def load_vae(self) -> Vae:
        say(f"Loading VAE: {self.base.name}")
        model = self.load("vae", torch.float32, torch.device("cpu"))
        shift, scale = model.config.shift_factor, model.config.scaling_factor
        return Vae(
            model,
            self.base.device,
            code=lambda posterior: (posterior.mean - shift) * scale,
            plain=lambda latents: latents / scale + shift,
        )

    # ---- its mathematics -----------------------------------------------------------------------------------------------------
    def sketch(self, size: Size, transformer: Any) -> Batch:
        (width, height), config, length = size, transformer.config, self.base.max_sequence_length
        with torch.device("meta"):
            texts = {
                "txt": torch.empty(1, length, config.joint_attention_dim),
                "pooled": torch.empty(1, config.pooled_projection_dim),
            }
            return Batch(torch.empty(1, 16, height // 8, width // 8), texts)

    def find_shift(self, tokens: int) -> float:
        """e^mu, mu a line through 0.5 at 256 and 1.15 at 4096 image tokens.

        black-forest-labs/flux, src/flux/sampling.py, get_lin_function and time_shift."""
        return math.exp(0.5 + (1.15 - 0.5) * (tokens - 256) / (4096 - 256))

    def predict(self, transformer: Any, img: Tensor, batch: Batch, sigmas: Tensor, guidance: float) -> Tensor:
        dtype, txt, pooled = self.base.dtype, batch.conditions["txt"], batch.conditions["pooled"]
        height, width = batch.latents.shape[2:]
        return transformer(
            hidden_states=img.to(dtype),
            timestep=sigmas.to(dtype),  # 0..1: FluxTransformer2DModel multiplies by 1000 itself
            guidance=torch.full_like(sigmas, guidance) if self.base.is_guided else None,
            encoder_hidden_states=txt.to(dtype),
            pooled_projections=pooled.to(dtype),
            txt_ids=torch.zeros(txt.shape[1], 3, device=img.device, dtype=dtype),
            img_ids=make_img_ids(height, width, img.device).to(dtype),
            return_dict=False,
        )[0]

    # ---- drawing -------------------------------------------------------------------------------------------------------------
    def draw(self, transformer: Any, picture: Picture, conditions: Tensors, negative: Tensors) -> Tensor:
        device = self.base.device
        pipe = FluxPipeline(self._load_scheduler(), None, None, None, None, None, transformer)
        pipe.set_progress_bar_config(disable=True)
        img = pipe(
            prompt_embeds=conditions["txt"][None].to(device),
            pooled_prompt_embeds=conditions["pooled"][None].to(device),
            negative_prompt_embeds=negative["txt"][None].to(device),
            negative_pooled_prompt_embeds=negative["pooled"][None].to(device),
            true_cfg_scale=picture.cfg,
            num_inference_steps=picture.steps,
            guidance_scale=picture.guidance,
            width=picture.width,
            height=picture.height,
            generator=torch.Generator().manual_seed(picture.seed),
            output_type="latent",
        ).images
        return self.unpack(img, picture.height // 8, picture.width // 8)

    def _load_scheduler(self) -> Any:
        """Of the model's folder; beside a single file there is none, and the model's own numbers are known."""
        kind: Any = FlowMatchEulerDiscreteScheduler
        part = self.base.parts.get("scheduler")
        return kind.from_pretrained(part.path) if part else kind.from_config(DEV if self.base.is_guided else SCHNELL)


class _ClipAndT5(TextEncoder):
    """CLIP and T5 behind one function: txt (L, D) and pooled (P)."""

    def __init__(self, pipe: Any, max_sequence_length: int):
        self.pipe, self.max_sequence_length = pipe, max_sequence_length

    @torch.no_grad()
    def encode(self, text: str) -> Tensors:
        txt, pooled, _ = self.pipe.encode_prompt(text, None, max_sequence_length=self.max_sequence_length)
        tokens = torch.tensor(len(self.pipe.tokenizer_2(text).input_ids))
        return {"txt": txt[0].cpu().contiguous(), "pooled": pooled[0].cpu().contiguous(), TOKENS: tokens}


def make_img_ids(height: int, width: int, device: torch.device | None = None) -> Tensor:
    """(T, 3): for each token 0, its row and its column; height and width of the latent. Made where they are needed."""
    zero, rows, columns = (torch.arange(float(count), device=device) for count in (1, height // 2, width // 2))
    return torch.cartesian_prod(zero, rows, columns)
