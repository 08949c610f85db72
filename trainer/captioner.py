"""A model that looks at images and says what they show: Florence-2, BLIP, or any that chats about images.

Through transformers, from .safetensors and without code that a model brings along. Three kinds:

florence   answers to a task, <DETAILED_CAPTION> for one
chat       answers to a prompt of one's own: Qwen2.5-VL, JoyCaption (LLaVA), SmolVLM ...
plain      says what it sees: BLIP, GIT"""

import gc
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from jinja2 import TemplateError
from PIL import Image
from transformers.utils.logging import disable_progress_bar

from trainer.captioner_files import CaptionerError
from trainer.header import list_files, read_header
from trainer.phrases import Detail, clean

TASKS: dict[Detail, str] = {"short": "<CAPTION>", "detailed": "<DETAILED_CAPTION>", "long": "<MORE_DETAILED_CAPTION>"}
PROMPTS: dict[Detail, str] = {
    "short": "Describe this image in one short sentence. Answer with the description alone.",
    "detailed": "Describe this image in two or three plain sentences: what is shown, where, and in which style. "
    "Answer with the description alone.",
    "long": "Describe this image in one paragraph: what is shown, its details, the setting, the light, the framing and the "
    "style. Answer with the description alone.",
}
BEAMS = {"florence": 3, "plain": 3, "chat": 1}  # the large ones are good and slow enough with one
ROOM = 1.2  # of the weights' bytes, for all else that lies in memory while it writes
REST = 1.5e9  # bytes that torch itself and the largest of its steps take of a CPU's memory, where running out is the end
OUT_OF_MEMORY = (torch.OutOfMemoryError, MemoryError)


@dataclass(frozen=True)
class Ask:
    """What a model is to write."""

    detail: Detail = "detailed"
    prompt: str = ""  # in place of the one that `detail` stands for
    max_tokens: int = 256


class Captioner:
    """A model on its device."""

    def __init__(self, name: str, folder: Path, device: torch.device, ask: Ask):
        """`folder`: its files (captioner_files.py). Raises CaptionerError, or one of OUT_OF_MEMORY."""
        disable_progress_bar()
        self.name, self.device, self.ask = name, device, ask
        kind, self.processor = _load_processor(name, folder)
        self.kind = kind
        if ask.prompt and kind == "florence":
            raise CaptionerError(name, "Florence-2 knows its own tasks only: leave the prompt out, or take a model that chats")
        self.prompt = self._write_prompt()
        self.dtype = _choose_dtype(name, folder, device)
        self.model = self._load_model(folder)
        if tokenizer := getattr(self.processor, "tokenizer", None):
            tokenizer.padding_side = "left"  # what is written goes on where the prompt ends

    def describe(self, images: Sequence[Image.Image]) -> list[str]:
        """A caption for each image; empty where the model says nothing. Raises one of OUT_OF_MEMORY."""
        inputs = self._prepare(images)
        beams = BEAMS[self.kind]
        with torch.inference_mode():
            tokens = self.model.generate(**inputs, max_new_tokens=self.ask.max_tokens, num_beams=beams, do_sample=False)
        asked = inputs["input_ids"].shape[1] if "input_ids" in inputs and self._repeats_prompt() else 0
        answers = tokens[:, asked:]
        texts = self.processor.batch_decode(answers, skip_special_tokens=True)
        return [clean(text, self._is_cut(row)) for text, row in zip(texts, answers.tolist(), strict=True)]

    def _prepare(self, images: Sequence[Image.Image]) -> dict[str, Any]:
        """What the model is given, on its device."""
        given = {"text": [self.prompt] * len(images), "padding": True} if self.prompt else {}
        inputs = self.processor(images=list(images), return_tensors="pt", **given)
        moved = {name: value.to(self.device) for name, value in inputs.items()}
        return {name: value.to(self.dtype) if value.is_floating_point() else value for name, value in moved.items()}

    def _write_prompt(self) -> str:
        """What it is asked for each image; empty: nothing."""
        if self.kind != "chat":
            return TASKS[self.ask.detail] if self.kind == "florence" else self.ask.prompt
        try:
            return _fill_template(self.processor, self.ask.prompt or PROMPTS[self.ask.detail])
        except (TypeError, TemplateError) as error:
            raise CaptionerError(
                self.name, f"its chat template takes no prompt with one image: {_first_line(error)}"
            ) from error

    def _repeats_prompt(self) -> bool:
        """Whether its answer begins with its prompt, which is no part of the caption. It is of BLIP's, which completes it."""
        return self.kind != "florence" and self.model.config.model_type != "blip"

    def _is_cut(self, tokens: list[int]) -> bool:
        """Whether it had more to say than it was allowed to."""
        end = self.model.generation_config.eos_token_id
        ends = end if isinstance(end, list) else [end]
        return len(tokens) >= self.ask.max_tokens and not any(token in ends for token in tokens[1:])

    def _load_model(self, folder: Path) -> Any:
        from transformers import AutoModelForImageTextToText

        place = {"device_map": {"": self.device}} if self.device.type == "cuda" else {}  # not by way of the CPU's memory
        try:
            model = AutoModelForImageTextToText.from_pretrained(
                folder, dtype=self.dtype, use_safetensors=True, local_files_only=True, **place
            )
        except OUT_OF_MEMORY:
            raise
        except (OSError, ValueError, KeyError, RuntimeError, ImportError) as error:
            raise CaptionerError(self.name, f"cannot be loaded: {_first_line(error)}") from error
        return model.to(self.device).eval()


def choose_device(wish: str) -> torch.device:
    """'auto', 'cpu' or 'cuda' as a device. Raises ValueError."""
    there = torch.cuda.is_available()
    if wish == "cuda" and not there:
        raise ValueError("got the device cuda, but there is no usable GPU here; expected cpu or auto")
    return torch.device("cuda" if there and wish != "cpu" else "cpu")


# ---- processor -------------------------------------------------------------------------------------------------------
def _load_processor(name: str, folder: Path) -> tuple[Literal["florence", "chat", "plain"], Any]:
    """What kind of model this is, and what turns images and texts into its inputs. Raises CaptionerError."""
    from transformers import AutoConfig
    from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES

    try:
        config = AutoConfig.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, KeyError) as error:
        raise CaptionerError(
            name, f"its config.json is none of a model that transformers knows ({_first_line(error)})"
        ) from error
    if config.model_type not in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES:
        expected = (
            "one that writes about images: Florence-2, BLIP, Qwen2.5-VL, LLaVA and others of transformers' image-text-to-text"
        )
        raise CaptionerError(name, f"got a model of type {config.model_type}, expected {expected}")
    try:
        processor = _find_processor_class(config).from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, ImportError) as error:
        cure = "pip install what it names, where that is a package"
        raise CaptionerError(name, f"its processor cannot be loaded: {_first_line(error)}; {cure}") from error
    if config.model_type == "florence2":
        return "florence", processor
    return "chat" if getattr(processor, "chat_template", None) else "plain", processor


def _find_processor_class(config: Any) -> Any:
    """As AutoProcessor finds it; of a model that takes videos too without that part, which asks for torchvision."""
    from transformers import AutoProcessor
    from transformers.models.auto.processing_auto import PROCESSOR_MAPPING
    from transformers.utils import is_torchvision_available

    kind = PROCESSOR_MAPPING.get(type(config), None)
    parts = kind.get_attributes() if kind else []
    if is_torchvision_available() or not any("video" in part for part in parts):
        return AutoProcessor

    class Still(kind):  # type: ignore[misc, valid-type]
        @classmethod
        def get_attributes(cls) -> list[str]:
            return [part for part in parts if "video" not in part]

    return Still


def _fill_template(processor: Any, prompt: str) -> str:
    """The prompt as the model was taught to be asked, with a place for one image.

    Templates of some models (JoyCaption's) take plain text alone, and put the image into it themselves."""
    content = [{"type": "image"}, {"type": "text", "text": prompt}]
    try:
        text = str(_render(processor, content))
    except (TypeError, TemplateError):
        text = ""
    if not text or str(content[0]) in text:
        text = str(_render(processor, prompt))
    token = getattr(processor, "image_token", None)
    return text if token is None or token in text else f"{token}\n{text}"


def _render(processor: Any, content: Any) -> Any:
    asked = [{"role": "user", "content": content}]
    return processor.apply_chat_template(asked, add_generation_prompt=True, tokenize=False)


# ---- memory ----------------------------------------------------------------------------------------------------------
def free(device: torch.device) -> None:
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()


def _choose_dtype(name: str, folder: Path, device: torch.device) -> torch.dtype:
    """bf16 where a GPU has it, fp32 on a CPU as long as it fits. Raises CaptionerError where the model is too large."""
    numbers = sum(math.prod(entry["shape"]) for file in list_files(folder) for entry in read_header(file).values())
    if device.type == "cuda":
        dtype = torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16
        there, where, rest = float(torch.cuda.mem_get_info(device)[0]), "the GPU", 0.0
    else:
        there, where, rest = _free_memory(), "this machine", REST
        dtype = torch.float32 if numbers * 4 * ROOM + rest <= there else torch.bfloat16
    needed = numbers * dtype.itemsize * ROOM + rest
    if needed > there:
        got = f"it takes about {needed / 1e9:.1f} GB of memory, and {there / 1e9:.1f} GB are free on {where}"
        cure = "stop what else runs there, choose a smaller model" + (", or the CPU" if device.type == "cuda" else "")
        raise CaptionerError(name, f"{got}; {cure}")
    return dtype


def _free_memory() -> float:
    """Bytes that programs can still take on this machine; without end where the system does not tell."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) * 1024.0 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, ValueError, StopIteration):
        return math.inf


def _first_line(error: BaseException) -> str:
    said = [line.strip() for line in str(error).splitlines() if line.strip()]
    return said[0][:300] if said else type(error).__name__
