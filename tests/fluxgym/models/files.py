"""Files with the names and shapes of full-sized models, and no numbers: headers over holes."""

import json
from pathlib import Path

FLUX1 = {"double_blocks.0.img_mod.lin.weight": [18432, 3072]}
KLEIN = {"double_stream_modulation_img.lin.weight": [18432, 3072]}
VAE, VAE2, VAE_SD = ({"decoder.conv_in.weight": [512, channels, 3, 3]} for channels in (16, 32, 4))
CLIP_L, CLIP_G = ({"text_model.embeddings.token_embedding.weight": [49408, width]} for width in (768, 1280))
T5 = {"encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight": [32, 64]}
UMT5 = T5 | {"encoder.block.1.layer.0.SelfAttention.relative_attention_bias.weight": [32, 64]}
QWEN = {"model.layers.0.self_attn.q_norm.weight": [128]}
LORA = {"lora_unet_double_blocks_0_img_attn_qkv.lora_down.weight": [16, 3072]}


def write(file: Path, shapes: dict[str, list[int]], prefix: str = "", dtype: str = "BF16") -> Path:
    """A whole .safetensors file; a file system keeps the zeros as a hole."""
    entries, end = {}, 0
    for name, shape in shapes.items():
        size = 2 if dtype == "BF16" else 1
        for side in shape:
            size *= side
        entries[prefix + name] = {"dtype": dtype, "shape": shape, "data_offsets": [end, end + size]}
        end += size
    header = json.dumps(entries).encode()
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("wb") as stream:
        stream.write(len(header).to_bytes(8, "little") + header)
        stream.truncate(8 + len(header) + end)
    return file


def make_comfy(root: Path) -> Path:
    """ComfyUI's models/ as people have it."""
    write(root / "diffusion_models" / "flux1-dev.safetensors", FLUX1)
    write(root / "diffusion_models" / "flux-2-klein-base-4b.safetensors", KLEIN)
    write(root / "vae" / "ae.safetensors", VAE)
    write(root / "vae" / "flux2-vae.safetensors", VAE2)
    write(root / "vae" / "sdxl_vae.safetensors", VAE_SD)
    write(root / "text_encoders" / "clip_l.safetensors", CLIP_L)
    write(root / "text_encoders" / "clip_g.safetensors", CLIP_G)
    write(root / "text_encoders" / "t5xxl_fp16.safetensors", T5)
    write(root / "text_encoders" / "t5xxl_fp8_e4m3fn.safetensors", T5, dtype="F8_E4M3")
    write(root / "text_encoders" / "umt5_xxl.safetensors", UMT5)
    write(root / "text_encoders" / "qwen_3_4b.safetensors", QWEN)
    write(root / "loras" / "flux" / "my.safetensors", FLUX1)
    write(root / "checkpoints" / "a-lora.safetensors", LORA)
    (root / "checkpoints" / "sdxl.ckpt").write_bytes(b"PK\x03\x04")
    return root
