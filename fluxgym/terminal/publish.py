"""The verbs that give a run to others: publish, zip."""

import argparse
import time
from pathlib import Path

from fluxgym.run.folders import find_run
from fluxgym.terminal.output import DONE, FAILED, shown
from fluxgym.terminal.verbs import RUN, Verbs

LOOK = 0.5  # s


def add_verbs(verbs: Verbs) -> None:
    sub = verbs.add(
        publish, "put a run's LoRA on the Hugging Face Hub with a model card, private unless --public", "until it is there"
    )
    sub.add_argument("name", metavar="NAME", help=RUN)
    sub.add_argument("--to", metavar="REPOSITORY", help="name or owner/name (default: the run's name, of the token's account)")
    sub.add_argument("--lora", metavar="FILE", help="which of its LoRA files (default: the final one)")
    sub.add_argument("--public", action="store_true", help="everybody may see it")
    sub.add_argument("--add", action="store_true", help="to a repository that is there; its README.md is replaced")
    sub.add_argument("--no-samples", action="store_true", help="without pictures")
    sub = verbs.add(zip_, "write a run into one zip: LoRA files, samples, settings and logs")
    sub.add_argument("name", metavar="NAME", help=RUN)
    sub.add_argument("--out", metavar="FILE", help="where to (default: NAME.zip, here)")
    sub.add_argument("--states", action="store_true", help="also the states to resume from")
    sub.add_argument("--force", action="store_true", help="write over a file that is there")


def publish(options: argparse.Namespace) -> int:
    from fluxgym.job.folder import DONE as IS_DONE
    from fluxgym.job.folder import read_job
    from fluxgym.publish.publishing import NotPublished, Wish, list_published, start_publishing, suggest_samples
    from fluxgym.view.checkpoints import place_of

    folder = find_run(options.name)
    loras = {place_of(folder, lora.path): lora for lora in list_published(folder)}
    place = options.lora or next(iter(loras), "")
    if place not in loras:
        raise NotPublished(f"got --lora {place}, expected of {', '.join(loras) or 'none: this run has no LoRA yet'}")
    samples = () if options.no_samples else tuple(found for found, _ in suggest_samples(folder, loras[place]))
    wish = Wish(place, options.to or folder.title.replace(" ", "-"), options.public, samples, options.add)
    job = start_publishing(folder, wish)
    if not options.wait:
        print(
            f"{shown(folder.title)}: {place} is being published. It goes on when this terminal closes; its page tells how far."
        )
        return DONE
    while (status := read_job(job)) and status.is_active:
        time.sleep(LOOK)
    if status is None or status.state != IS_DONE:
        raise NotPublished(status.message if status else "it was taken away")
    print(f"{shown(folder.title)}: {status.said.result['url'] if status.said else ''}")
    return DONE


def zip_(options: argparse.Namespace) -> int:
    from fluxgym.publish.parcel import STATES, USUAL, file_name, list_parcel, write_parcel
    from fluxgym.terminal.give import write_pieces
    from fluxgym.view import words

    folder = find_run(options.name)
    path = Path(options.out or file_name(folder))
    path = path / file_name(folder) if path.is_dir() else path
    if path.exists() and not options.force:
        raise ValueError(f"{path} is there already; --force writes over it, --out names another")
    files = list_parcel(folder, (*USUAL, STATES) if options.states else USUAL)
    size = write_pieces(path, write_parcel(folder, files))
    print(f"{shown(folder.title)}: {words.plural(len(files), 'file')} in {path}, {words.size(size)}.")
    return DONE if files else FAILED
