"""The models that are offered to write captions; any other that transformers calls image-text-to-text works by its name."""

import json
from dataclasses import dataclass
from pathlib import Path

from fluxgym.run.base_model import find_model_folder

FLORENCE, CHAT, PLAIN = "florence", "chat", "plain"
OF_TYPES = {"florence2": FLORENCE, "blip": PLAIN, "blip-2": PLAIN, "git": PLAIN}  # of config.json; all others chat
LARGEST_CONFIG = 2**22  # bytes


@dataclass(frozen=True)
class Known:
    """One of them."""

    label: str
    model: str  # its name on the Hub
    kind: str
    note: str


KNOWN = (
    Known(
        "Florence-2 base",
        "florence-community/Florence-2-base",
        FLORENCE,
        "0.2 billion weights: quick, and small enough for a CPU. MIT licence.",
    ),
    Known(
        "Florence-2 large",
        "florence-community/Florence-2-large",
        FLORENCE,
        "0.8 billion weights: sees more than base and takes about three times as long. MIT licence.",
    ),
    Known(
        "BLIP large",
        "Salesforce/blip-image-captioning-large",
        PLAIN,
        "0.5 billion weights: one short sentence an image. BSD licence.",
    ),
    Known(
        "Qwen2.5-VL 7B",
        "Qwen/Qwen2.5-VL-7B-Instruct",
        CHAT,
        "8 billion weights, 17 GB: answers to a prompt of your own, on a GPU of 24 GB. Apache licence.",
    ),
    Known(
        "JoyCaption",
        "fancyfeast/llama-joycaption-beta-one-hf-llava",
        CHAT,
        "8 billion weights, 17 GB: made for captions to train on, answers to a prompt, on a GPU of 24 GB.",
    ),
)


def find_kind(model: str) -> str:
    """How a model is asked: by its name, or by its config.json where it is here. One that nobody knows may take a prompt."""
    known = next((each for each in KNOWN if each.model == model), None)
    return known.kind if known else OF_TYPES.get(_read_type(model), CHAT)


def is_here(model: str) -> bool:
    """Whether nothing is to be downloaded: its config and weights are on this machine."""
    folder = _find_folder(model)
    try:
        return folder is not None and (folder / "config.json").is_file() and any(folder.glob("*.safetensors"))
    except OSError:
        return False


def _find_folder(model: str) -> Path | None:
    try:
        return find_model_folder(model) if model else None
    except (OSError, ValueError, RuntimeError):  # a name that no folder can have, a home that nobody has
        return None


def _read_type(model: str) -> str:
    folder = _find_folder(model)
    try:
        path = folder / "config.json" if folder else None
        said = json.loads(path.read_bytes()) if path and path.stat().st_size < LARGEST_CONFIG else {}
    except (OSError, ValueError, RecursionError):
        return ""
    return str(said.get("model_type", "")) if isinstance(said, dict) else ""
