"""The access token of the Hugging Face Hub: whether there is one, from where, storing it for the Hub's library, forgetting it.

It lies where `hf auth login` puts it and is shown nowhere. Gated models are given out to those only who have one."""

import configparser
import io
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fluxgym.models.known import find_known
from fluxgym.models.verify import is_whole
from fluxgym.run.base_model import hub_home

VARIABLES = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")  # in the Hub's library's order; they count before the file
SECRET = re.compile(r"[A-Za-z0-9_.-]{8,200}")
TOKENS_PAGE = "https://huggingface.co/settings/tokens"


class TokenRefused(ValueError):
    """A token that is none, or that the Hub does not know. Its text does not hold it."""


@dataclass(frozen=True)
class Token:
    """A token, and where it is from."""

    secret: str = field(repr=False)
    origin: str  # a variable's name, or a file's path

    @property
    def is_variable(self) -> bool:
        return self.origin in VARIABLES


def token_file() -> Path:
    """Where the Hub's library keeps the token, as its environment variables say."""
    said = os.environ.get("HF_TOKEN_PATH")
    return Path(os.path.expandvars(said)).expanduser() if said else hub_home() / "token"


def find_token() -> Token | None:
    """The token that a download would use."""
    for name in VARIABLES:
        if secret := _clean(os.environ.get(name, "")):
            return Token(secret, name)
    try:
        secret = _clean(token_file().read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError):
        return None
    return Token(secret, str(token_file())) if secret else None


def ask_owner(secret: str) -> str:
    """Whose token it is, as the Hub says. Raises TokenRefused, and OSError where the Hub cannot be asked."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, HTTPError, OfflineModeIsEnabled

    try:
        said: dict[str, Any] = HfApi(endpoint=os.environ.get("HF_ENDPOINT"), token=secret).whoami()
    except HfHubHTTPError as error:
        if error.response is not None and error.response.status_code in (401, 403):
            raise TokenRefused(f"the Hub does not know this token: make one that can read at {TOKENS_PAGE}") from None
        raise OSError("the Hub could not say whose token it is") from None  # from None: the error may hold what was sent
    except (OfflineModeIsEnabled, HTTPError, ValueError) as error:
        raise OSError(f"the Hub could not be asked whose token it is ({type(error).__name__})") from None
    return str(said.get("name", ""))


def store_token(secret: str) -> None:
    """Keeps a token for the Hub's library, readable by this user alone. Raises TokenRefused, OSError."""
    secret = _clean(secret)
    if not SECRET.fullmatch(secret):
        raise TokenRefused(f"got {len(secret)} characters that are no token, expected one such as hf_..., from {TOKENS_PAGE}")
    _write(token_file(), secret)


def forget_token() -> bool:
    """Takes the stored token away, also from the library's list of tokens; False where none is stored. Raises OSError."""
    path = token_file()
    try:
        secret = _clean(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError):
        secret = ""
    if not path.exists():
        return False
    path.unlink()
    _forget_listed(secret)
    return True


def find_token_problem(base: str) -> str:
    """Why a base model cannot be downloaded for want of a token, and what to do; empty where it is here or needs none."""
    known = find_known(base)
    if known is None or not known.is_gated or find_token() or is_whole(known.base):
        return ""
    return (
        f"{known.label} is given out to those only who accepted its licence, and there is no access token here: "
        f"accept it at {known.page}, make a token that can read at {TOKENS_PAGE}, and store it on the Models page "
        "or with: python -m fluxgym models token"
    )


def _forget_listed(secret: str) -> None:
    """`hf auth login` keeps tokens by their names as well."""
    path = token_file().with_name("stored_tokens")
    listed = configparser.ConfigParser(interpolation=None)
    try:
        listed.read(path, encoding="utf-8")
    except (configparser.Error, UnicodeDecodeError):
        return
    named = [name for name in listed.sections() if listed.get(name, "hf_token", fallback=None) == secret]
    if not named or not secret:
        return
    for name in named:
        listed.remove_section(name)
    text = io.StringIO()
    listed.write(text)
    _write(path, text.getvalue())


def _write(path: Path, text: str) -> None:
    """Readable by its owner alone from its first byte on, and whole at all times."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    beside = path.with_name(path.name + ".new")
    beside.unlink(missing_ok=True)
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    beside.replace(path)


def _clean(secret: str) -> str:
    return secret.replace("\r", "").replace("\n", "").strip()
