"""How far a long piece of work is, as its file tells."""

import json

from trainer.progress import PLACE, Progress


def test_the_file_says_how_far_and_how_fast(tmp_path, monkeypatch):
    times = iter([0.0, 1.0, 2.0, 3.0])
    monkeypatch.setenv(PLACE, str(tmp_path / "progress.json"))
    progress = Progress("bytes", None, clock=lambda: next(times))
    progress.tell(0)
    progress.tell(100, "a.safetensors", total=300)
    said = json.loads((tmp_path / "progress.json").read_text())
    assert (said["done"], said["total"], said["unit"], said["note"], said["rate"]) == (100, 300, "bytes", "a.safetensors", 100)
    progress.tell(50)
    assert progress.rate is None, "it began again"
    progress.give(url="there")
    assert json.loads((tmp_path / "progress.json").read_text())["result"] == {"url": "there"}


def test_it_is_not_written_at_each_word_but_at_the_last(tmp_path):
    now = [0.0]
    progress = Progress("images", 3, tmp_path / "p.json", clock=lambda: now[0])
    for done in (0, 1, 2):
        progress.tell(done)
    assert json.loads((tmp_path / "p.json").read_text())["done"] == 0
    progress.tell(3)
    assert json.loads((tmp_path / "p.json").read_text())["done"] == 3


def test_without_a_place_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.delenv(PLACE, raising=False)
    monkeypatch.chdir(tmp_path)
    Progress("images", 1).tell(1)
    assert list(tmp_path.iterdir()) == []
