"""The files of a model that writes captions: in a folder, or on the Hub, from where they are downloaded. Imports no torch."""

import errno
from collections.abc import Callable
from pathlib import Path

from trainer.header import find_file_problem, list_files
from trainer.report import make_download_bar
from trainer.unusable import Unusable

CONFIG = "config.json"
WANTED = ("*.json", "*.safetensors", "*.txt", "*.model", "*.jinja")
NOT_WANTED = ("*/*",)  # the same in other formats, such as onnx/
TELL_EVERY = 0.5  # s
ELSEWHERE = {  # whose own code would have to be run; the same weights in a form that needs none
    "microsoft/Florence-2-base": "florence-community/Florence-2-base",
    "microsoft/Florence-2-base-ft": "florence-community/Florence-2-base-ft",
    "microsoft/Florence-2-large": "florence-community/Florence-2-large",
    "microsoft/Florence-2-large-ft": "florence-community/Florence-2-large-ft",
    "multimodalart/Florence-2-large-no-flash-attn": "florence-community/Florence-2-large",
}


class CaptionerError(Unusable):
    """A model that cannot write captions here: why, and what to do."""

    def __init__(self, name: str, problem: str):
        super().__init__(f"{name} cannot write captions", [problem])
        self.name = name


def find_model(name: str, tell: Callable[[str], None]) -> Path:
    """The folder of a model, downloaded where it is a name on the Hub; `tell` hears how far that is. Raises CaptionerError."""
    if name in ELSEWHERE:
        raise CaptionerError(name, f"it brings code of its own, which is not run; take {ELSEWHERE[name]}, the same weights")
    try:
        folder = Path(name).expanduser()
        is_there = folder.is_dir()
    except (OSError, ValueError, RuntimeError) as error:  # a zero byte, a home that nobody has
        raise CaptionerError(name[:200], f"got a name that no folder can have ({error})") from error
    if not is_there:
        folder = _download(name, tell)
    if not (folder / CONFIG).is_file():
        problem = f"got {folder} without {CONFIG}, expected a model as the Hub has it: {CONFIG}, .safetensors and a tokenizer"
        raise CaptionerError(name, problem)
    if problem := _find_weights_problem(folder):
        raise CaptionerError(name, problem)
    return folder


def _find_weights_problem(folder: Path) -> str:
    try:
        weights = list_files(folder)
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        return f"the index of its weights cannot be read, download it again ({error})"
    if not weights:
        return "it has no .safetensors file; others are not opened, as they can run programs"
    return next((f"{file.name}: {said}" for file in weights if (said := find_file_problem(file))), "")


def _download(name: str, tell: Callable[[str], None]) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        HFValidationError,
        HTTPError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
    )

    if name.count("/") != 1 or name.startswith((".", "/", "~")):
        raise CaptionerError(name[:200], "there is no such folder; expected one, or a name on the Hub such as owner/model")
    bar = make_download_bar(name, tell, TELL_EVERY)
    try:
        return Path(snapshot_download(name, allow_patterns=list(WANTED), ignore_patterns=list(NOT_WANTED), tqdm_class=bar))
    except GatedRepoError as error:
        page = f"https://huggingface.co/{name}"
        cure = "then store a token on the Models page, or run: hf auth login"
        raise CaptionerError(name, f"its licence is not accepted: accept it at {page}, {cure}") from error
    except RepositoryNotFoundError as error:
        cure = "check its name; of a private model a token is needed (Models page, or: hf auth login)"
        raise CaptionerError(name, f"the Hub knows no such model; {cure}") from error
    except HFValidationError as error:
        raise CaptionerError(name[:200], "got no name of a model, expected owner/model, or a folder") from error
    except (LocalEntryNotFoundError, HTTPError, HfHubHTTPError, OSError) as error:
        raise CaptionerError(name, _explain(error)) from error


def _explain(error: Exception) -> str:
    """Why a download did not come to its end."""
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return f"there is no room for it on the disk; free some, the files that are whole are kept ({error})"
    said = str(error).strip().splitlines()
    reason = said[0][:200] if said else type(error).__name__
    cure = "try again when there is a network, files that are whole are kept; or name a folder in which the model is"
    return f"it is not whole on this machine and could not be downloaded; {cure} ({reason})"
