"""The verb `models`: base models that are known or here, downloads, checks, the Hub's access token."""

import argparse
import getpass
import sys
import time

from fluxgym.run.base_model import find_model_folder
from fluxgym.run.folders import PROJECT
from fluxgym.terminal.output import DONE, FAILED, LOOK_EVERY, print_table, shown
from fluxgym.terminal.verbs import Verbs

TELL_EVERY = 5.0  # s between two lines about a download
MODEL = "as `models` lists it, or owner/model"


def add_verbs(verbs: Verbs) -> None:
    sub = verbs.add(models, "base models: which are here and whole; download, check, add, remove, token")
    inner = Verbs(sub.add_subparsers(metavar="download|check|add|remove|token"))
    one = inner.add(download, "download a model, or go on with it; it goes on when this is interrupted")
    one.add_argument("name", metavar="NAME", help=MODEL)
    one.add_argument("--repair", action="store_true", help="read what is here and compare it, too")
    sub = inner.add(check, "read every byte of a model; exit code 1 where something is wrong")
    sub.add_argument("name", metavar="NAME", help=MODEL)
    sub = inner.add(add, "look for models in a folder of another tool, or take one file")
    sub.add_argument("path", metavar="PATH", help="the folder, such as models/ of ComfyUI, or the file")
    sub = inner.add(remove, "look there no more; nothing in it is touched")
    sub.add_argument("path", metavar="PATH", help="as it was added")
    secret = inner.add(token, "store the Hub's access token, which is asked for or read from stdin")
    what = secret.add_mutually_exclusive_group()
    what.add_argument("--whose", action="store_true", help="only ask the Hub whose the token is that is here")
    what.add_argument("--forget", action="store_true", help="take the stored one away")


def models(_options: argparse.Namespace) -> int:
    from fluxgym.models.known import KNOWN
    from fluxgym.view.model_words import STATES, take_stock, tell_size

    stock = take_stock()
    rows = [["NAME", "STATE", "SIZE", "LICENCE"]]
    for known in KNOWN:
        gate = ", gated" if known.is_gated else ""
        size = "-" if known.is_here else tell_size(stock, known.base)
        rows.append([known.label, STATES[stock.find_state(known.base)][2], size, known.licence + gate])
    for model in stock.others:
        rows.append([shown(model.base), STATES[stock.find_state(model.base)][2], tell_size(stock, model.base), "-"])
    print_table(rows)
    for model in stock.shelved.values():
        for problem in model.problems:
            print(f"{shown(model.title)}: {problem}", file=sys.stderr)
    return DONE


def download(options: argparse.Namespace) -> int:
    from fluxgym.job.begin import JobIsActive
    from fluxgym.job.folder import DONE as IS_DONE
    from fluxgym.job.folder import read_job
    from fluxgym.models.download import find_download, start_download
    from fluxgym.view.job_words import tell_progress

    base, told = _find_base(options.name), float("-inf")
    try:
        job = start_download(base, options.repair)
    except JobIsActive:  # somebody began it: then this only looks on
        job = find_download(base)
    try:
        while (status := read_job(job)) and status.is_active:
            if time.monotonic() - told >= TELL_EVERY:
                print(f"{status.about.title}: {tell_progress(status)}", flush=True)
                told = time.monotonic()
            time.sleep(LOOK_EVERY)
    except KeyboardInterrupt:
        print("The download goes on. The Models page can stop it.")
        raise
    if status and status.state == IS_DONE:
        print(f"{base} is here and whole.")
        return DONE
    message = status.message if status else ""
    print(f"fluxgym: {message or 'it was stopped; what came is kept'}", file=sys.stderr)
    return FAILED


def check(options: argparse.Namespace) -> int:
    from fluxgym.models import checksum

    base = _find_base(options.name)
    folder = find_model_folder(base) or PROJECT / base
    if not folder.exists():
        raise ValueError(f"got {shown(options.name)}, which is not on this machine; `models` lists those that are")
    return checksum.main([base])


def add(options: argparse.Namespace) -> int:
    from fluxgym.models.pieces import list_pieces
    from fluxgym.models.shelf import add_place, list_models

    place = add_place(options.path)
    here = [model for model in list_models() if (PROJECT / model.base).is_relative_to(place)]
    found = f"{len(here)} base models and {len(list_pieces(place))} single files of FLUX" if here else "no base model"
    print(f"{place}: {found}. Nothing in it is moved, copied or changed.")
    return DONE


def remove(options: argparse.Namespace) -> int:
    from fluxgym.models.shelf import list_places, remove_place

    place = next((each for each in list_places() if each == (PROJECT / options.path).absolute()), None)
    if place is None:
        listed = ", ".join(map(str, list_places())) or "none was added"
        raise ValueError(f"got {shown(options.path)}, expected a place that was added: {shown(listed)}")
    remove_place(place)
    print(f"Models are looked for in {place} no more.")
    return DONE


def token(options: argparse.Namespace) -> int:
    from fluxgym.models.token import ask_owner, find_token, forget_token, store_token, token_file

    if options.forget:
        print("It is forgotten." if forget_token() else f"None was stored in {token_file()}.")
        return DONE
    if options.whose:
        if (there := find_token()) is None:
            print("There is no access token here.")
            return FAILED
        print(f"The token of {there.origin} is {ask_owner(there.secret)}'s.")
        return DONE
    secret = getpass.getpass("Access token: ") if sys.stdin.isatty() else sys.stdin.readline()
    owner = _ask_owner(secret.strip())
    store_token(secret)
    print(f"It is stored in {token_file()}. {owner}")
    return DONE


def _ask_owner(secret: str) -> str:
    """Whose a token is; one that the Hub does not know is not stored: raises TokenRefused."""
    from fluxgym.models.token import ask_owner

    try:
        return f"It is {ask_owner(secret)}'s." if secret else ""
    except OSError as error:
        return f"Whose it is was not found out: {error}."


def _find_base(name: str) -> str:
    from fluxgym.models.known import find_known

    known = find_known(name)
    return known.base if known else name
