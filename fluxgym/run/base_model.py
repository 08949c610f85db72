"""Whether a base model can be meant by its setting, before anything is written. The trainer looks into it, this does not."""

import re
from pathlib import Path

from fluxgym.run.folders import PROJECT

HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)


def find_base_problem(base: str) -> str:
    """What is wrong with `model.base`; empty where it is a folder, or can be a name on the Hugging Face Hub."""
    path = PROJECT / Path(base).expanduser()  # the trainer is started in the project's folder
    if path.is_dir() or (HUB_NAME.fullmatch(base) and not path.exists()):
        return ""
    found = "is not a folder" if path.exists() else "is not there"
    return f"got {base!r}, but {path} {found}; expected a folder, or a name on the Hugging Face Hub: owner/model"
