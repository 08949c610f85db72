"""What is said of a base model: whether it is here, how much is to come, under which licence."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from fluxgym.job.folder import JobStatus, list_jobs
from fluxgym.models.download import bytes_to_download
from fluxgym.models.known import KNOWN, Known, find_known
from fluxgym.models.shelf import Shelved, list_models
from fluxgym.models.verify import DOWNLOAD
from fluxgym.view import words

NEEDS_TOKEN = "Accept its licence on its page, then store an access token of the same account."
HERE, ABSENT, PARTLY, DAMAGED, COMING = "here", "absent", "partly", "damaged", "coming"
STATES = {  # icon, colour, word
    HERE: ("check_circle", "blue", "On this machine"),
    ABSENT: ("cloud_download", "gray", "Not on this machine"),
    PARTLY: ("downloading", "orange", "Partly on this machine"),
    DAMAGED: ("error", "red", "Not whole"),
    COMING: ("progress_activity", "green", "Downloading"),
}


@dataclass(frozen=True)
class Stock:
    """All base models: those known by name, those that are here, those on their way."""

    shelved: Mapping[str, Shelved] = field(default_factory=dict)  # by base
    jobs: Mapping[str, JobStatus] = field(default_factory=dict)  # downloads, by base

    @property
    def others(self) -> list[Shelved]:
        """Those that are here and not known by name."""
        return [model for base, model in self.shelved.items() if find_known(base) is None]

    def find_state(self, base: str) -> str:
        """HERE, ABSENT, PARTLY, DAMAGED, COMING."""
        known, job = find_known(base), self.jobs.get(base)
        if job and job.is_active:
            return COMING
        if model := self.shelved.get(base):
            return DAMAGED if model.problems else HERE
        if known and known.is_here:
            return HERE
        left = bytes_to_download(base)
        return PARTLY if known and left is not None and left < known.bytes * 0.999 else ABSENT


def take_stock() -> Stock:
    """Looks at disks, not at the Hub."""
    shelved = {model.base: model for model in list_models()}
    return Stock(shelved, {status.about.subject: status for status in list_jobs(DOWNLOAD)})


def list_choices(stock: Stock) -> list[str]:
    """What config.toml's model.base can be chosen to be; the last, an empty one, stands for whatever else is typed."""
    return [*(known.base for known in KNOWN), *(model.base for model in stock.others), ""]


def name_choice(stock: Stock, base: str) -> str:
    """'FLUX.1-dev, 31.4 GiB to download', 'my-flux.safetensors, FLUX.1'"""
    known, state = find_known(base), stock.find_state(base)
    if known and known.is_here:
        return known.label
    if known:
        how = tell_size(stock, base) if state in (ABSENT, PARTLY) else STATES[state][2].lower()
        return f"{known.label}, {how}"
    model = stock.shelved.get(base)
    return f"{model.title}, {model.family}" if model else "Another: a folder, a file, or a name on the Hub"


def tell_size(stock: Stock, base: str) -> str:
    """'31.4 GiB to download', '31.4 GiB on this machine'"""
    if model := stock.shelved.get(base):
        return f"{words.size(model.size)} on this machine"
    left = bytes_to_download(base)
    return f"about {words.size(left)} to download" if left else ""


def tell_terms(known: Known) -> str:
    """Markdown: the licence, with the page on which it is accepted."""
    licence = known.licence.replace("[", r"\[").replace("]", r"\]")
    if not known.page:
        return ""
    asked = "; given out to those only who accepted it and have an access token" if known.is_gated else ""
    return f"Licence: [{licence}]({known.page}){asked}."


def tell_parts(model: Shelved) -> str:
    """'With ae.safetensors, clip_l.safetensors, t5xxl_fp16.safetensors.'; empty where it needs none."""
    names = [Path(path).name for setting, path in model.parts.items() if setting != "tokenizers"]
    told = [f"With {', '.join(names)}."] if names else []
    if source := model.parts.get("tokenizers"):
        told.append(f"Its tokenizers, a few MB, are downloaded from {source}.")
    return " ".join(told)
