"""The model card of a LoRA: README.md of its repository on the Hub, with the front matter that the Hub reads.

Front matter: huggingface.co/docs/hub/model-cards."""

import json
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from fluxgym.models.known import find_known
from fluxgym.run.base_model import HUB_NAME, find_kind

TOLD = (  # settings that a reader wants to know
    ("Images at", "data", "resolution"),
    ("Repeats", "data", "repeats"),
    ("Batch size", "data", "batch_size"),
    ("Epochs", "train", "epochs"),
    ("Optimizer", "train", "optimizer"),
    ("Learning rate", "train", "learning_rate"),
    ("Schedule", "train", "schedule"),
    ("Noise levels", "train", "timesteps"),
    ("Rank", "lora", "rank"),
    ("Alpha", "lora", "alpha"),
    ("Base kept in", "model", "quantise"),
    ("Seed", "train", "seed"),
)
LICENCES = {"apache-2.0": ("apache-2.0", "")}  # by the beginning of what known.toml says, in the Hub's words
NON_COMMERCIAL = "flux-1-dev-non-commercial-license"
NO_BASE = "path/to/the/base-model"  # in the lines of code, where it is on no Hub


@dataclass(frozen=True)
class Sample:
    """A picture that goes with the card."""

    name: str  # in the repository: images/...
    prompt: str


@dataclass(frozen=True)
class Card:
    """What a card is made of."""

    title: str
    repository: str  # where it is published: owner/name
    lora: str  # name of its file
    trigger: str
    settings: dict[str, Any]  # config.toml
    samples: list[Sample]
    steps: int | None = None


def make_card(card: Card) -> str:
    """The whole README.md."""
    base = str(card.settings.get("model", {}).get("base", ""))
    known = find_known(base)
    named = known.base if known and HUB_NAME.fullmatch(known.base) and not known.is_here else base
    is_on_hub = bool(HUB_NAME.fullmatch(named)) and not find_kind(named)
    parts = [
        _front(card, named if is_on_hub else "", known.licence if known else ""),
        f"# {_flat(card.title)}",
        f"A LoRA for {known.label if known else named if is_on_hub else 'FLUX'}, made with FluxGym.",
        _trigger(card.trigger),
        _samples(card.samples),
        _usage(card, named if is_on_hub else NO_BASE),
        _settings(card),
        _licence(known.label if known else "", known.licence if known else "", known.page if known else ""),
    ]
    return "\n\n".join(filter(None, parts)) + "\n"


def _front(card: Card, base: str, licence: str) -> str:
    """YAML, of which JSON is a part: each value is written as that."""
    said: dict[str, Any] = {"library_name": "diffusers", "pipeline_tag": "text-to-image"}
    said["tags"] = ["text-to-image", "lora", "diffusers", "flux", "template:diffusion-lora"]
    said |= {"base_model": base, "base_model_relation": "adapter"} if base else {}
    said |= _front_licence(licence)
    said |= {"instance_prompt": card.trigger} if card.trigger else {}
    if card.samples:
        said["widget"] = [{"text": sample.prompt or "-", "output": {"url": sample.name}} for sample in card.samples]
    lines = [f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in said.items()]
    return "\n".join(["---", *lines, "---"])


def _front_licence(licence: str) -> dict[str, str]:
    if licence.casefold() in LICENCES:
        return {"license": LICENCES[licence.casefold()][0]}
    if "Non-Commercial" in licence:
        page = "https://huggingface.co/black-forest-labs/FLUX.1-dev/blob/main/LICENSE.md"
        return {"license": "other", "license_name": NON_COMMERCIAL, "license_link": page}
    return {}


def _trigger(trigger: str) -> str:
    return f"## Trigger word\n\nUse `{_flat(trigger).replace('`', '')}` in a prompt to call what it learned." if trigger else ""


def _samples(samples: list[Sample]) -> str:
    rows = [f"![{_flat(sample.prompt)}]({sample.name})\n*{_flat(sample.prompt)}*" for sample in samples]
    return "\n\n".join(["## Samples", *rows]) if rows else ""


def _usage(card: Card, base: str) -> str:
    prompt = next((sample.prompt for sample in card.samples), card.trigger or "a photo")
    code = [
        "from diffusers import DiffusionPipeline",
        "import torch",
        "",
        f"pipe = DiffusionPipeline.from_pretrained({base!r}, torch_dtype=torch.bfloat16).to('cuda')",
        f"pipe.load_lora_weights({card.repository!r}, weight_name={card.lora!r})",
        f"image = pipe({' '.join(prompt.split())!r}).images[0]",
    ]
    tools = f"In ComfyUI, Forge and InvokeAI: put `{card.lora}` into the folder of LoRAs."
    return "\n".join(["## How to use it", "", tools, "", "With diffusers:", "", "```python", *code, "```"])


def _settings(card: Card) -> str:
    rows = [(label, card.settings.get(section, {}).get(name)) for label, section, name in TOLD]
    rows += [("Steps", card.steps)]
    told = [f"| {label} | {_flat(str(value))} |" for label, value in rows if value not in (None, "")]
    return "\n".join(["## Training", "", "| setting | value |", "|---|---|", *told]) if told else ""


def _licence(label: str, licence: str, page: str) -> str:
    if not licence:
        return "## Licence\n\nThe licence of the base model holds for it too."
    if not page:
        return ""
    return f"## Licence\n\nMade from [{label}]({page}), whose licence holds for it too: {licence}."


def _flat(text: str) -> str:
    """On one line, without what would end a cell or a picture's text."""
    return " ".join(text.split()).replace("|", "\\|").replace("[", "(").replace("]", ")").replace("*", "")


def name_sample(path: PurePath, number: int) -> str:
    """What a sample is called in the repository: no name of a run's folder, which may say more than its owner wants."""
    return f"images/sample_{number:02d}{path.suffix.lower()}"
