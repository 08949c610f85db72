"""The verb `key`: the address that signs a browser in, another key, the hash of a password."""

import argparse
import getpass
from urllib.parse import quote

from fluxgym.run.folders import outputs_root
from fluxgym.terminal.output import DONE, WRONG_USE
from fluxgym.terminal.verbs import Verbs


def add_verbs(verbs: Verbs) -> None:
    sub = verbs.add(key, "the address with the key of its owner, which signs a browser in")
    either = sub.add_mutually_exclusive_group()
    either.add_argument("--new", action="store_true", help="make another key; whoever is signed in is signed out")
    either.add_argument("--hash", action="store_true", help="ask for a password and print what FLUXGYM_PASSWORD_HASH takes")


def key(options: argparse.Namespace) -> int:
    from fluxgym.access.address import public_base
    from fluxgym.access.owner import KEY, OPEN, chosen_key, is_open, read_keyring, renew

    if options.hash:
        return _print_hash()
    ring = renew() if options.new else read_keyring()
    print(f"{public_base(outputs_root())}/?key={quote(chosen_key() or ring.key, safe='')}")
    if options.new:
        print("Whoever was signed in is signed out. Links to runs stay valid: `share NAME --revoke-all` ends them.")
    if options.new and chosen_key():
        print(f"The key is that of {KEY}, as before.")
    if is_open():
        print(f"{OPEN} is set: a server that is started with it asks nobody for a key.")
    return DONE


def _print_hash() -> int:
    from fluxgym.access.owner import PASSWORD_HASH, hash_password

    said, again = (getpass.getpass(prompt) for prompt in ("Password: ", "Once more: "))
    if said != again:
        print("The two are not the same. Nothing was made.")
        return WRONG_USE
    print(f"{PASSWORD_HASH}={hash_password(said)}")
    return DONE
