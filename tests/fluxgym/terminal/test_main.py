"""The command line as a whole: its verbs, its errors, and that notifications cost nothing where they are not asked for."""

import argparse
import subprocess
import sys

import pytest

from fluxgym.terminal.main import _parser
from fluxgym.terminal.output import DONE, WRONG_USE

VERBS = ("demo", "start", "run", "list", "show", "log", "stop", "resume", "save", "sample", "queue", "notify")


def test_every_verb_explains_itself(say, capsys):
    for verb in VERBS:
        with pytest.raises(SystemExit) as ended:
            say(verb, "--help")
        assert ended.value.code == DONE
        assert f"python -m fluxgym {verb}" in capsys.readouterr().out


def list_bare(parser, verb=""):
    """Arguments of a verb, and of those below it, of which --help says nothing."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, inner in action.choices.items():
                yield from list_bare(inner, f"{verb} {name}")
        elif not action.help:
            yield f"{verb} {action.option_strings or action.metavar}"


def test_every_argument_has_words():
    assert list(list_bare(_parser(has_notify=True))) == []


def test_an_error_is_one_line(outputs, say):
    code, out, err = say("stop", "nobody")
    assert (code, out) == (WRONG_USE, "")
    assert err.startswith("fluxgym: got the run 'nobody', expected one in ")
    assert err.count("\n") == 1


def test_notify_has_its_own_verbs(say, monkeypatch, tmp_path):
    monkeypatch.setenv("FLUXGYM_NOTIFY_FILE", str(tmp_path / "none.json"))
    monkeypatch.delenv("FLUXGYM_NOTIFY", raising=False)
    code, out, _ = say("notify", "list")
    assert (code, out) == (DONE, "No notification service is set up. Add one with: python -m fluxgym notify add\n")


def test_other_verbs_load_nothing_of_it(outputs):
    script = "import sys; from fluxgym.terminal.main import main; main(['queue']); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("No run waits.\n")
    assert not {"fluxgym.notify", "pydantic", "pynvml", "apprise"} & set(done.stdout.split())
