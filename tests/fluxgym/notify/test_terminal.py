"""The verbs of `notify`: a URL comes from stdin or a hidden prompt, and goes nowhere but into the services' file."""

import argparse
import getpass
import io

import pytest

from fluxgym.notify.services import read_urls
from fluxgym.notify.terminal import add_verbs
from tests.fluxgym.notify.conftest import SECRET

pytestmark = pytest.mark.usefixtures("services_file")


class Screen(io.StringIO):
    """A stdin that is a person's."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def notify(capsys, monkeypatch):
    """notify(*arguments, typed=""): the exit code and what was printed."""

    def run(*arguments: str, typed: str = "") -> tuple[int, str]:
        parser = argparse.ArgumentParser()
        add_verbs(parser)
        monkeypatch.setattr("sys.stdin", io.StringIO(typed))
        options = parser.parse_args(arguments)
        code = options.verb(options)
        return code, "".join(capsys.readouterr())

    return run


def test_add_from_stdin_list_remove(notify):
    assert notify("list")[1].startswith("No notification service is set up")
    code, said = notify("add", typed=f"ntfy://{SECRET}\n")
    assert (code, read_urls()) == (0, [f"ntfy://{SECRET}"])
    assert said == "ntfy: ntfy.sh is set up. Try it with: python -m fluxgym notify test 1\n"
    assert notify("list") == (0, "1  ntfy: ntfy.sh\n")
    assert notify("remove", "1") == (0, "ntfy: ntfy.sh is removed.\n")
    assert read_urls() == []


def test_a_person_types_unseen(notify, monkeypatch):
    monkeypatch.setattr(getpass, "getpass", lambda _: f"ntfy://{SECRET}")
    monkeypatch.setattr(io, "StringIO", Screen)
    notify("add")
    assert read_urls() == [f"ntfy://{SECRET}"]


def test_no_url_is_an_argument(notify, capsys):
    with pytest.raises(SystemExit):
        notify("add", f"ntfy://{SECRET}")
    assert read_urls() == []


def test_the_environments_are_said_to_be(notify, monkeypatch):
    monkeypatch.setenv("FLUXGYM_NOTIFY", f"tgram://123456789:{SECRET}_{SECRET}/12345")
    assert notify("list") == (0, "1  Telegram  (from FLUXGYM_NOTIFY)\n")


def test_test_says_what_became_of_it(notify, start_service):
    assert notify("test")[0] == 1
    good, bad = start_service(), start_service(500)
    notify("add", typed=good.url)
    notify("add", typed=bad.url)
    assert notify("test", "1") == (0, "JSON: 127.0.0.1: sent\n")
    assert notify("test") == (1, "JSON: 127.0.0.1: sent\nJSON: 127.0.0.1: it answered with error 500\n")
    assert len(good.got) == 2
