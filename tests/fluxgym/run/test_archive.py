"""A fresh start under an old name loses nothing."""

import gzip

from fluxgym.log.parts import list_parts
from fluxgym.run.archive import archive, holds_run
from tests.fluxgym.log.rotated import append, move, pack
from tests.small_training import write_lora, write_state
from trainer.folder import RunFolder


def test_everything_moves(tmp_path):
    folder = RunFolder(tmp_path / "a")
    for path in (folder.samples, folder.thumbnails, folder.kohya):
        path.mkdir(parents=True)
    folder.ui_state.write_text("{}")
    folder.config.write_text("settings")
    (folder.path / "notes.txt").write_text("mine")
    (folder.samples / "a.png").write_text("picture")
    folder.training_log.write_bytes(b"line\n\xff" * 1000)
    folder.record.write_text("record")
    write_lora(folder.lora)
    write_lora(folder.epoch_lora(4))
    write_state(folder.path, 3)
    target = archive(folder)
    assert not holds_run(folder)
    assert sorted(path.name for path in folder.path.iterdir()) == ["cache", "logs", "notes.txt", "ui_state.json"]
    assert gzip.decompress((target / "training.log.gz").read_bytes()) == b"line\n\xff" * 1000
    moved = {path.name for path in target.iterdir()}
    assert moved == {
        "a.safetensors",
        "a-000004.safetensors",
        "a-step00000003-state",
        "sample",
        "kohya",
        "config.toml",
        "run.json",
        "training.log.gz",
    }
    assert (target / "a-step00000003-state" / "state.json").is_file()


def test_twice_in_a_second(tmp_path):
    folder = RunFolder(tmp_path / "a")
    folder.path.mkdir()
    found = set()
    for _ in range(3):
        folder.training_log.write_text("line")
        found.add(archive(folder))
    assert len(found) == 3


def test_settings_and_drafts_are_no_run(tmp_path):
    folder = RunFolder(tmp_path)
    folder.config.write_text("")
    folder.ui_state.write_text("")
    folder.thumbnails.mkdir(parents=True)
    assert not holds_run(folder)
    write_state(folder.path, 3)
    assert holds_run(folder)


def test_a_log_in_parts_moves_with_all_of_them(tmp_path):
    folder = RunFolder(tmp_path / "a")
    folder.path.mkdir()
    for number in (1, 2, 3):
        append(folder.training_log, b"part %d\n" % number)
        part = move(folder.training_log, number)
        if number == 1:
            pack(part)
    packed = part.with_name("training.0003.log.gz")
    packed.write_bytes(gzip.compress(b"part 3\n"))  # killed after it was packed: both are there
    append(folder.training_log, b"the end\n")
    target = archive(folder)
    parts = list_parts(target / "training.log.gz")
    assert [gzip.decompress(part.read_bytes()) for part in parts] == [b"part 1\n", b"part 2\n", b"part 3\n", b"the end\n"]
    assert list_parts(folder.training_log) == []
    assert [path.name for path in folder.old_logs.iterdir()] == [target.name]
