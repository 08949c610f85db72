"""The verb that takes over settings: import."""

import argparse
import sys
from pathlib import Path

from fluxgym.terminal.output import DONE, FAILED
from fluxgym.terminal.verbs import Verbs


def add_verbs(verbs: Verbs) -> None:
    sub = verbs.add(import_, "make a config.toml of kohya's or FluxGym's train.sh, or of a run's folder; says what was left")
    sub.add_argument("files", metavar="FILE", nargs="+", help="train.sh, .bat, dataset.toml, prompts, config.toml, or a folder")
    sub.add_argument("--output", metavar="CONFIG", help="write it there; one that is there already is not replaced")
    sub.add_argument("--name", help="name of the run")


def import_(options: argparse.Namespace) -> int:
    """Exit code 1 where something is still to be set right before it can be started."""
    import tomli_w

    from fluxgym.form import form
    from fluxgym.form.sources import read_source
    from fluxgym.form.take_over import fill_in, read_folder, read_sources

    first = Path(options.files[0])
    if first.is_dir():
        imported = read_folder(first)
    else:
        imported = read_sources([read_source(Path(file)) for file in options.files], first.absolute().parent)
    values = fill_in(imported) | ({"name": options.name} if options.name is not None else {})
    problems = form.find_problems(values)
    kept = {key: value for key, value in values.items() if not key.startswith(form.NO_SETTINGS) and value not in (None, "")}
    text = tomli_w.dumps(form.nest(kept))
    for line in (*map(str, imported.taken), *(f"left: {entry}" for entry in imported.left)):
        print(line, file=sys.stderr)
    if imported.same:
        print(f"so here anyway: {', '.join(imported.same)}", file=sys.stderr)
    for place, problem in problems.items():
        print(f"to set right: {place}: {problem}", file=sys.stderr)
    if options.output:
        with Path(options.output).open("x", encoding="utf-8") as file:
            file.write(text)
    else:
        print(text, end="")
    return FAILED if problems else DONE
