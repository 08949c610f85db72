"""The verbs of `python -m fluxgym notify`: add, list, remove, test. A URL is asked for, never part of a command line."""

import argparse
import getpass
import sys

from fluxgym.notify.services import add_service, list_services, remove_service, try_services

DONE, FAILED = 0, 1
NOBODY = "No notification service is set up. Add one with: python -m fluxgym notify add"


def add_verbs(parser: argparse.ArgumentParser) -> None:
    """Gives the parser of `notify` its verbs; each sets `verb`, a function of the options that returns the exit code."""
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    for function, text in (
        (_add, "set up a service; its URL, which is a secret, is asked for, or read from stdin"),
        (_list, "the services that are set up"),
        (_remove, "forget a service"),
        (_test, "send a test message"),
    ):
        sub = verbs.add_parser(function.__name__.strip("_"), help=text, description=text)
        sub.set_defaults(verb=function)
        if function is _remove:
            sub.add_argument("number", metavar="N", type=int, help="as `notify list` shows it")
        if function is _test:
            sub.add_argument("number", metavar="N", type=int, nargs="?", help="one service; all without")


def _add(options: argparse.Namespace) -> int:
    url = getpass.getpass("URL of the service, which is not shown: ") if sys.stdin.isatty() else sys.stdin.readline()
    service = add_service(url)
    print(f"{service.name} is set up. Try it with: python -m fluxgym notify test {service.number}")
    return DONE


def _list(options: argparse.Namespace) -> int:
    services = list_services()
    for service in services:
        print(f"{service.number}  {service.name}{'' if service.can_remove else '  (from FLUXGYM_NOTIFY)'}")
    if not services:
        print(NOBODY)
    return DONE


def _remove(options: argparse.Namespace) -> int:
    print(f"{remove_service(options.number).name} is removed.")
    return DONE


def _test(options: argparse.Namespace) -> int:
    outcomes = try_services(options.number)
    for outcome in outcomes:
        print(f"{outcome.name}: {outcome.words}", file=sys.stdout if outcome.is_sent else sys.stderr)
    if not outcomes:
        print(NOBODY)
    return DONE if outcomes and all(outcome.is_sent for outcome in outcomes) else FAILED
