"""Writes a LoRA's file in another form: `python -m trainer convert IN.safetensors OUT.safetensors --to kohya`."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

import torch

from trainer import report
from trainer.disk import NotWritten
from trainer.families import FAMILIES
from trainer.formats import Form
from trainer.lora_file import Style, export_lora
from trainer.lora_reader import LoraFile, read_lora
from trainer.model import DTYPES
from trainer.start import BROKE, FINISHED, WRONG

FORMS: tuple[Form, ...] = get_args(Form)


def convert(source: Path, target: Path, form: Form, dtype: torch.dtype | None = None) -> LoraFile:
    """Without a dtype its numbers stay of their type. What was read. Raises LoraError, NotWritten."""
    lora = read_lora(source, FAMILIES)
    ranks = {pair.rank for pair in lora.layers.values()}
    rank = str(ranks.pop()) if len(ranks) == 1 else "Dynamic"  # kohya's word
    said = {"ss_base_model_version": lora.family.base_version, **lora.metadata}
    said |= {"ss_network_dim": rank, "ss_network_alpha": rank}
    export_lora(target, lora.layers, Style(lora.family, form, dtype or lora.dtype), said)
    return lora


def main(arguments: Sequence[str]) -> int:
    """The command. What is wrong is told in a line without a traceback."""
    parser = argparse.ArgumentParser(prog="python -m trainer convert", description="Writes a LoRA's file in another form.")
    parser.add_argument("source", type=Path, metavar="IN", help="a LoRA of any tool: diffusers, peft, kohya, ai-toolkit")
    parser.add_argument("target", type=Path, metavar="OUT", help="the .safetensors to write")
    parser.add_argument("--to", choices=FORMS, required=True, help="diffusers: loads everywhere; kohya, bfl: fused modules")
    parser.add_argument("--dtype", choices=tuple(DTYPES), help="its numbers; as in IN if not given")
    options = parser.parse_args(arguments)
    source, target = options.source, options.target
    try:
        if target.suffix != ".safetensors" or target.resolve() == source.resolve() or not target.parent.is_dir():
            raise ValueError(
                f"got {target}, expected another file than {source}, named .safetensors, in a folder that is there"
            )
        lora = convert(source, target, options.to, DTYPES.get(options.dtype))
    except (NotWritten, ValueError) as error:
        report.error(str(error))
        return WRONG if isinstance(error, ValueError) else BROKE
    if lora.left_out:
        report.warn(f"left out: {len(lora.left_out)} modules of text encoders, which have no place in this form")
    if lora.is_rounded and not options.dtype:
        report.warn("folding alpha into the weights rounded their last digits; --dtype fp32 keeps them")
    report.say(f"{target}: {lora.family.title}, {len(lora.layers)} modules by diffusers' names")
    return FINISHED
