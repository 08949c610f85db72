"""`python -m fluxgym publish NAME` and `zip NAME`."""

import zipfile

import pytest

from fluxgym.terminal.main import main
from tests.fluxgym.publish.a_run import folder, hub

__all__ = ["folder", "hub"]


def test_publish_to_its_end(folder, hub, capsys):
    assert main(["publish", "robot", "--to", "team/robot", "--public", "--wait"]) == 0
    assert f"{hub.url}/team/robot" in capsys.readouterr().out
    assert set(hub.held["team/robot"]) > {"robot.safetensors", "README.md"} and hub.private == {"team/robot": False}
    assert main(["publish", "robot", "--to", "team/robot", "--public", "--wait"]) == 2
    assert "there is a repository team/robot already" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "said"), [(["--lora", "x"], "expected of robot.safetensors"), (["--to", "a b"], "expected a name such as")]
)
def test_wrong_use(folder, hub, capsys, options, said):
    assert main(["publish", "robot", *options]) == 2
    assert said in capsys.readouterr().err


def test_zip(folder, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["zip", "robot"]) == 0
    assert "robot.zip" in capsys.readouterr().out
    assert "robot/robot.safetensors" in zipfile.ZipFile("robot.zip").namelist()
    assert main(["zip", "robot"]) == 2
    assert main(["zip", "robot", "--states", "--force"]) == 0
    assert "robot/robot-2-state/state.json" in zipfile.ZipFile("robot.zip").namelist()
