"""The verb that shows one run to others: share. It makes links, lists them and ends them."""

import argparse
import json
import math
import shlex
from typing import TYPE_CHECKING, Any

from fluxgym.run.folders import find_run, outputs_root
from fluxgym.terminal.output import DONE, print_table, shown
from fluxgym.terminal.verbs import AS_DATA, RUN, Verbs
from trainer.folder import RunFolder

if TYPE_CHECKING:
    from fluxgym.access.links import Link

CHOICES = ("days", "label", "show")  # of a new link
USUAL: dict[str, Any] = {"days": 7.0, "label": "", "show": ["log", "samples"]}
NEVER = "never"


def add_verbs(verbs: Verbs) -> None:
    sub = verbs.add(share, "make a link that shows this run, and nothing else, to whoever has it; list or end its links")
    sub.add_argument("name", metavar="NAME", help=RUN)
    sub.add_argument("--days", type=_days, metavar=f"7|{NEVER}", help="how long it is valid; 7 days without")
    sub.add_argument("--label", metavar="TEXT", help="whom it is for; only you see it")
    sub.add_argument(
        "--show",
        type=_parts,
        metavar="log,samples,settings,checkpoints",
        help="what it shows beside progress and charts; log,samples without, none for nothing",
    )
    what = sub.add_mutually_exclusive_group()
    what.add_argument("--list", action="store_true", help="only list its links")
    what.add_argument("--revoke", metavar="ID", help="end this link; pages that are open end, too")
    what.add_argument("--revoke-all", action="store_true", help="end all links of this run")
    sub.add_argument("--json", action="store_true", help=AS_DATA)


def share(options: argparse.Namespace) -> int:
    from fluxgym.access import links

    folder = find_run(options.name)
    is_other = options.list or options.revoke is not None or options.revoke_all
    if is_other and (given := [f"--{name}" for name in CHOICES if getattr(options, name) is not None]):
        raise ValueError(f"got {' and '.join(given)}, expected only for a new link")
    if options.list:
        return _list(links.list_links(folder), folder, options.json)
    if options.revoke is not None:
        ended = [links.revoke(folder, options.revoke).id]
        return _tell_ended(folder, ended, options.json)
    if options.revoke_all:
        return _revoke_all(folder, options.json)
    return _make(folder, options)


def _make(folder: RunFolder, options: argparse.Namespace) -> int:
    from fluxgym.access.address import link_path, link_url, noted_base, public_base, tell_reach
    from fluxgym.access.links import make_link
    from fluxgym.view.link_words import tell_parts, tell_valid

    base = public_base(outputs_root())  # before a link is made: what it says may be wrong
    wanted = USUAL | {name: value for name in CHOICES if (value := getattr(options, name)) is not None}
    days = wanted["days"] if math.isfinite(wanted["days"]) else None
    link, token = make_link(folder, days, wanted["label"], wanted["show"])
    url = link_url(base, token)
    if options.json:
        path = link_path(noted_base(outputs_root()), token)
        print(json.dumps({"path": path, "url": url, "id": link.id, "expires": link.expires}))
        return DONE
    print(url)
    print(f"It shows {tell_parts(link.parts)} of {shown(folder.title)}, is {tell_valid(link)}, and is shown only now.")
    print(f"To end it: python -m fluxgym share {shlex.quote(folder.name)} --revoke {link.id}")
    if told := tell_reach(base):
        print(told)
    return DONE


def _list(found: "list[Link]", folder: RunFolder, as_json: bool) -> int:
    from fluxgym.view.link_words import tell_parts, tell_seen, tell_valid

    if as_json:
        print(json.dumps([_row(link) for link in found], indent=1))
    elif not found:
        print(f"{shown(folder.title)}: nobody was given a link.")
    else:
        cells = [
            [link.id, shown(link.label) or "-", tell_valid(link), tell_seen(link), tell_parts(link.parts)] for link in found
        ]
        print_table(cells)
    return DONE


def _row(link: "Link") -> dict[str, Any]:
    return {
        "id": link.id,
        "label": link.label,
        "created": link.created,
        "expires": link.expires,
        "seen": link.seen,
        "views": link.views,
        "show": sorted(link.parts),
    }


def _revoke_all(folder: RunFolder, as_json: bool) -> int:
    from fluxgym.access.links import ShareError, list_links, revoke_all

    try:
        ended = [link.id for link in list_links(folder)]
    except ShareError:  # a damaged share.json opens to nobody; it goes too
        ended = []
    revoke_all(folder)
    return _tell_ended(folder, ended, as_json)


def _tell_ended(folder: RunFolder, ended: list[str], as_json: bool) -> int:
    if as_json:
        print(json.dumps({"revoked": ended}))
    else:
        told = f"{'1 link' if len(ended) == 1 else f'{len(ended)} links'} revoked; open pages end within seconds"
        print(f"{shown(folder.title)}: {told if ended else 'it had no link'}.")
    return DONE


def _days(text: str) -> float:
    """Infinite for never."""
    if text == NEVER:
        return math.inf
    try:
        days = float(text)
    except ValueError:
        days = math.nan
    if not 0 < days <= 36_500:
        raise argparse.ArgumentTypeError(f"got {text!r}, expected a number of days, such as 7, or {NEVER}")
    return days


def _parts(text: str) -> list[str]:
    from fluxgym.access.links import PARTS

    parts = [part.strip() for part in text.split(",") if part.strip()]
    if unknown := [part for part in parts if part not in PARTS and parts != ["none"]]:
        raise argparse.ArgumentTypeError(f"got {', '.join(unknown)}, expected some of {','.join(PARTS)}, or none")
    return [] if parts == ["none"] else parts
