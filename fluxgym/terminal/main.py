"""The command line: `python -m fluxgym VERB ...`.

Exit codes: 0 done, 1 the run failed, 2 wrong use. Errors are one clear line on stderr. Heavy imports are inside the verbs, so
that `list` answers at once.
"""

import argparse
import io
import os
import sys

from fluxgym.terminal import act, begin, captions, check, give, key, look, models, publish, share, sweep, take, tidy
from fluxgym.terminal.output import DONE, INTERRUPTED, WRONG_USE
from fluxgym.terminal.verbs import Verbs


def main(arguments: list[str]) -> int:
    """Does what the command line says; returns the exit code."""
    for stream in (sys.stdout, sys.stderr):  # a bar has characters that not every locale can print
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    options = _parser(has_notify=arguments[:1] == ["notify"]).parse_args(arguments)
    try:
        return int(options.verb(options))
    except BrokenPipeError:  # `| head` has seen enough; what is still buffered must not complain at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except KeyboardInterrupt:
        return INTERRUPTED
    except (ValueError, OSError) as error:
        print(f"fluxgym: {error}", file=sys.stderr)
        return WRONG_USE


def _parser(has_notify: bool) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m fluxgym", description="Train FLUX LoRAs, each run a folder.")
    verbs = Verbs(parser.add_subparsers(required=True, metavar="VERB"))
    for module in (begin, sweep, check, captions, look, act, share, give, key, tidy, models, take, publish):
        module.add_verbs(verbs)
    text = "notification services: add, list, remove, test"
    notify = verbs.parsers.add_parser("notify", help=text, description=text)
    if has_notify:  # its verbs need more than the others
        from fluxgym.notify.terminal import add_verbs

        add_verbs(notify)
    return parser
