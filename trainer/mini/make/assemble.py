"""Step 6, seconds: all parts in one diffusers folder, fp16. `python -m trainer.mini.make.assemble WORK FOLDER`"""

import json
import shutil
import sys
from pathlib import Path

import torch
from diffusers import AutoencoderKL, FlowMatchEulerDiscreteScheduler, FluxPipeline

from trainer.mini.make.parts import Parts, Work

SIZE_LIMIT = 12_000_000  # bytes
NAME = "flux-mini"  # in the configs, where diffusers would leave the path of the machine that made it


def new_scheduler() -> FlowMatchEulerDiscreteScheduler:
    """The numbers of FLUX.1-dev's scheduler_config.json."""
    return FlowMatchEulerDiscreteScheduler(
        num_train_timesteps=1000,
        shift=3.0,
        use_dynamic_shifting=True,
        base_shift=0.5,
        max_shift=1.15,
        base_image_seq_len=256,
        max_image_seq_len=4096,
    )


def assemble(work: Work, folder: Path) -> None:
    """Replaces `folder`. Raises ValueError, with nothing left behind, where it would pass SIZE_LIMIT."""
    parts, vae = Parts.load(work, work.distilled), AutoencoderKL.from_pretrained(work.vae)
    for model in (vae, parts.transformer):
        model.register_to_config(_name_or_path=NAME)
    for encoder in (parts.clip, parts.t5):
        encoder.config._name_or_path = NAME
    for part in (vae, parts.transformer, parts.clip, parts.t5):
        part.to(torch.float16)
    pipe = FluxPipeline(
        scheduler=new_scheduler(),
        vae=vae,
        text_encoder=parts.clip,
        tokenizer=parts.clip_tokenizer,
        text_encoder_2=parts.t5,
        tokenizer_2=parts.t5_tokenizer,
        transformer=parts.transformer,
    )
    shutil.rmtree(folder, ignore_errors=True)
    pipe.save_pretrained(folder, safe_serialization=True)
    _load_text_in_fp32(folder)
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    if size > SIZE_LIMIT:
        shutil.rmtree(folder)
        raise ValueError(f"got {size:,} bytes, expected at most {SIZE_LIMIT:,}")
    print(f"{size:,} bytes in {folder}")


def _load_text_in_fp32(folder: Path) -> None:
    """Without a dtype, transformers loads what the config says and diffusers fp32; half of a pipeline in fp16 cannot run."""
    for config in (folder / "text_encoder" / "config.json", folder / "text_encoder_2" / "config.json"):
        values = json.loads(config.read_text(encoding="utf-8"))
        config.write_text(json.dumps({**values, "dtype": "float32"}, indent=2, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    assemble(Work(Path(sys.argv[1])), Path(sys.argv[2]))
