"""The folder of a new run: what is refused, and that nothing is lost or written then."""

import pytest

from fluxgym.run.create import create_run
from fluxgym.run.launch import NameTaken, RunError
from tests.small_training import write_lora
from trainer.config import ConfigError, load_config, parse_config


def settings(name="small", **more):
    return parse_config({"name": name, "model": {"base": "x"}, "data": {"folder": "y"}, **more})


def names_in(path):
    return sorted(found.name for found in path.iterdir())


def test_create(outputs):
    folder = create_run(settings())
    assert load_config(folder.config) == settings()
    assert names_in(folder.path) == ["config.toml", "run.lock"]


def test_settings_written_by_hand_are_left_as_they_are(outputs):
    folder = create_run(settings())
    text = "# mine\n" + folder.config.read_text()
    folder.config.write_text(text)
    assert create_run(settings()).config.read_text() == text
    with pytest.raises(NameTaken):
        create_run(settings(trigger="other"))
    assert folder.config.read_text() == text


def test_settings_that_cannot_be_read_are_taken_and_kept(outputs):
    folder = create_run(settings())
    folder.config.write_text("x = ")
    with pytest.raises(NameTaken):
        create_run(settings())
    assert load_config(create_run(settings(), replace_old=True).config) == settings()
    [old] = folder.old_logs.iterdir()
    assert (old / "config.toml").read_text() == "x = "


def test_an_earlier_run_is_refused_or_archived(outputs):
    folder = create_run(settings())
    write_lora(folder.lora)
    with pytest.raises(NameTaken, match="got the name small, which an earlier run has; choose another"):
        create_run(settings())
    assert folder.lora.is_file()
    create_run(settings(trigger="new"), replace_old=True)
    assert not folder.lora.exists()
    assert load_config(folder.config).trigger == "new"
    [old] = folder.old_logs.iterdir()
    assert names_in(old) == ["config.toml", "small.safetensors"]


def test_a_full_disk_leaves_nothing_new(outputs, full_disk):
    with full_disk(), pytest.raises(RunError, match=r"got File too large at .*FLUXGYM_OUTPUTS moves the runs elsewhere"):
        create_run(settings())
    assert names_in(outputs) == []
    folder = create_run(settings())
    before = folder.config.read_text()
    folder.config.unlink()
    with full_disk(), pytest.raises(RunError, match=r"got File too large at .*FLUXGYM_OUTPUTS moves the runs elsewhere"):
        create_run(settings())
    assert names_in(folder.path) == ["run.lock"]
    assert create_run(settings()).config.read_text() == before


def test_hostile_names_write_nothing(outputs, hostile_name):
    with pytest.raises(ConfigError, match="got the name"):
        create_run(settings(hostile_name))
    assert names_in(outputs) == []
    assert names_in(outputs.parent) == ["outputs"]
