"""`python -m fluxgym check CONFIG`."""

import json

import pytest

from fluxgym.terminal.main import main
from trainer.config import dump_config, load_config
from trainer.mini import DEMO

pytestmark = pytest.mark.usefixtures("outputs")


def test_the_demo_could_begin(capsys, monkeypatch):
    monkeypatch.setattr("fluxgym.terminal.check.PATIENCE", 0.0)
    assert main(["check", str(DEMO), "--buckets"]) == 0
    told = capsys.readouterr().out
    assert "+ images: all 12 can be read" in told and "robot_01.png: 96x96 px -> 96x96, 0% cut off" in told


def test_what_stops_it_is_told_and_is_its_exit_code(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr("fluxgym.terminal.check.PATIENCE", 0.0)
    config = load_config(DEMO)
    (tmp_path / "my.toml").write_text(dump_config(config).replace(config.data.folder, "/nowhere/at/all"))
    assert main(["check", str(tmp_path / "my.toml"), "--json"]) == 1
    said = json.loads(capsys.readouterr().out)
    assert said["errors"] == 1 and said["findings"][0]["subject"] == "images" and said["steps"] is None


def test_settings_that_cannot_be_read_are_wrong_use(capsys):
    assert main(["check", "/nowhere.toml"]) == 2
    assert "cannot be read" in capsys.readouterr().err
