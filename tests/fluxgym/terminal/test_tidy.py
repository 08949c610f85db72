"""archive: what it moves, lists, and deletes only when it was said twice."""

import io

from fluxgym.log.parts import list_parts
from fluxgym.terminal.output import DONE, WRONG_USE
from tests.fluxgym.terminal.conftest import run_of


def test_archive_list_and_delete(outputs, say, monkeypatch):
    folder = run_of(outputs, "small")
    assert say("archive", "small", "--list")[:2] == (DONE, "small: nothing was archived.\n")
    code, out, _ = say("archive", "small")
    assert (code, list_parts(folder.training_log)) == (DONE, [])
    [place] = folder.old_logs.iterdir()
    assert out.startswith(f"small: its log is in {place} now, 0.0 kB packed.\nIts curve is no longer drawn")
    folder.training_log.write_text("Epoch 1/4\n")  # without it, or a record, it would be no run
    assert say("archive", "small", "--list")[1].split()[0] == place.name
    code, out, err = say("archive", "small", "--delete")
    assert (code, place.name in out, "say --yes" in err, place.is_dir()) == (WRONG_USE, True, True, True)
    assert "no archived log is that old" in say("archive", "small", "--delete", "--older-than", "1", "--yes")[1]
    for answer, is_there in (("n\n", True), ("y\n", False)):
        monkeypatch.setattr("sys.stdin", Typed(answer))
        code, out, _ = say("archive", "small", "--delete")
        assert (code, "are lost for good" in out, place.is_dir()) == (DONE, True, is_there)
    assert say("archive", "small", "--delete", "--yes")[1] == "small: no archived log is there; nothing was deleted.\n"


def test_wrong_use_is_told(outputs, say):
    run_of(outputs, "small")
    code, _, err = say("archive", "small", "--older-than", "3")
    assert (code, "expected them with --delete or --list" in err) == (WRONG_USE, True)
    assert say("archive", "nobody")[0] == WRONG_USE


class Typed(io.StringIO):
    """What a person types at a terminal."""

    def isatty(self):
        return True
