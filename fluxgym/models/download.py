"""Downloading a base model as a job: `python -m fluxgym.models.download owner/model [--repair]` is its process."""

import argparse
import sys

from fluxgym.job.begin import start_job
from fluxgym.job.folder import DONE, Job, find_job, read_job
from fluxgym.models.checksum import is_hash
from fluxgym.models.fetch import PARTIAL, PATIENCE, Fetch
from fluxgym.models.known import find_known
from fluxgym.models.verify import DOWNLOAD, is_whole
from fluxgym.models.wrong import BrokenOff, Refused, explain
from fluxgym.run.base_model import HUB_NAME, find_kind, hub_cache


def start_download(base: str, repair: bool = False) -> Job:
    """Begins a download, or goes on with one. `repair`: what is here is read and compared, too.

    Raises JobIsActive, ValueError for what is no name on the Hub, OSError."""
    if not HUB_NAME.fullmatch(base) or find_kind(base):
        raise ValueError(f"got {base!r}, expected a name on the Hugging Face Hub: owner/model")
    known = find_known(base)
    options = ["--repair"] if repair else []
    title = f"Downloading {known.label if known else base}"
    return start_job(DOWNLOAD, base, ["-m", "fluxgym.models.download", base, *options], title)


def find_download(base: str) -> Job:
    """The job of a model, whether there is one or not."""
    return find_job(DOWNLOAD, base)


def bytes_to_download(base: str) -> int | None:
    """How much a training of this base model would still download, about; None where nobody knows before the Hub is asked."""
    if find_kind(base) or not HUB_NAME.fullmatch(base) or is_whole(base):
        return 0
    status = read_job(find_download(base))
    if status and status.said and status.said.total and status.state != DONE:
        return max(0, status.said.total - status.said.done)
    known = find_known(base)
    return max(0, known.bytes - _count_bytes(base)) if known else None


def _count_bytes(base: str) -> int:
    blobs = hub_cache() / f"models--{base.replace('/', '--')}" / "blobs"
    files = blobs.iterdir() if blobs.is_dir() else iter(())
    ours = (
        path for path in files if is_hash(path.name.removesuffix(PARTIAL))
    )  # what a training left of a file counts for nobody
    return sum(path.stat().st_size for path in ours)


def main(arguments: list[str]) -> int:
    """The job's process: its last words are why it failed."""
    parser = argparse.ArgumentParser(prog="python -m fluxgym.models.download")
    parser.add_argument("base", metavar="owner/model")
    parser.add_argument("--repair", action="store_true", help="read what is here and compare it, too")
    parser.add_argument("--patience", type=float, default=PATIENCE, metavar="S", help="seconds to wait for a lost connection")
    options = parser.parse_args(arguments)
    from huggingface_hub.errors import HTTPError

    try:
        Fetch(options.base, options.repair, options.patience).run()
    except (Refused, BrokenOff, HTTPError, OSError, ValueError) as error:
        print(explain(error, options.base))
        return 1
    print(f"{options.base} is here and whole.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
