"""A tiny FLUX.2 klein with random weights, made in code: the whole folder, its tokenizer too, in some megabytes."""

from pathlib import Path

import torch
from diffusers import AutoencoderKLFlux2, FlowMatchEulerDiscreteScheduler, Flux2KleinPipeline, Flux2Transformer2DModel
from tokenizers.pre_tokenizers import ByteLevel
from transformers import Qwen2TokenizerFast, Qwen3Config, Qwen3ForCausalLM

WIDTH = 16  # of Qwen3
CHAT = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% if enable_thinking is false %}<think>\n\n</think>\n\n{% endif %}"
    "{% endif %}"
)


def make_tokenizer() -> Qwen2TokenizerFast:
    """A token for each byte, and Qwen's marks of a chat."""
    specials = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    vocabulary = {letter: number for number, letter in enumerate(sorted(ByteLevel.alphabet()))}
    tokenizer = Qwen2TokenizerFast(vocab=vocabulary, merges=[], additional_special_tokens=specials[1:])
    tokenizer.chat_template = CHAT
    return tokenizer


def make_qwen(vocabulary: int) -> Qwen3ForCausalLM:
    """Thirty layers, of which three are looked at."""
    sizes = {"hidden_size": WIDTH, "head_dim": 8, "num_attention_heads": 2, "num_key_value_heads": 1}
    rope = {"rope_type": "default", "rope_theta": 1_000_000.0}
    config = Qwen3Config(
        **sizes,
        num_hidden_layers=30,
        intermediate_size=32,
        vocab_size=vocabulary,
        tie_word_embeddings=True,
        rope_parameters=rope,
    )
    return Qwen3ForCausalLM(config).eval()


def make_transformer() -> Flux2Transformer2DModel:
    return Flux2Transformer2DModel(
        num_layers=2,
        num_single_layers=2,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=3 * WIDTH,
        timestep_guidance_channels=32,
        axes_dims_rope=(4, 4, 4, 4),
        guidance_embeds=False,
    ).eval()


def make_vae() -> AutoencoderKLFlux2:
    vae = AutoencoderKLFlux2(block_out_channels=(32, 32, 32, 32), layers_per_block=1).eval()
    vae.bn.running_mean.normal_()
    vae.bn.running_var.uniform_(0.5, 2)
    return vae


def make_klein(folder: Path, is_distilled: bool = False) -> Path:
    """Writes it in diffusers format."""
    state = torch.random.get_rng_state()
    torch.manual_seed(0)
    tokenizer = make_tokenizer()
    scheduler = FlowMatchEulerDiscreteScheduler(shift=3.0, use_dynamic_shifting=True)
    pipe = Flux2KleinPipeline(
        scheduler, make_vae(), make_qwen(len(tokenizer)), tokenizer, make_transformer(), is_distilled=is_distilled
    )
    torch.random.set_rng_state(state)
    pipe.save_pretrained(folder)
    return folder
