"""import: prints a config.toml that can be started, tells what was left, and replaces nothing."""

from fluxgym.terminal.output import DONE, FAILED, WRONG_USE
from tests.fluxgym.form.test_kohya_import import DATASET, FLUXGYM
from trainer.config import load_config


def test_import_makes_a_config_of_a_folder_of_fluxgym(outputs, say, tmp_path):
    folder = tmp_path / "my-cat"
    folder.mkdir()
    (folder / "train.sh").write_text(FLUXGYM)
    (folder / "dataset.toml").write_text(DATASET)
    target = tmp_path / "new.toml"
    code, out, err = say("import", folder, "--output", target)
    assert (code, out) == (DONE, ""), err
    config = load_config(target)
    assert (config.name, config.lora.rank, config.lora.alpha, config.trigger) == ("my-cat", 4, 1, "sks cat")
    assert "lora.rank = 4" in err and "left: --split_mode" in err and "so here anyway:" in err
    code, out, _ = say("import", folder / "train.sh", folder / "dataset.toml", "--name", "other")
    assert code == DONE
    assert 'name = "other"' in out
    assert say("import", folder, "--output", target)[0] == WRONG_USE, "nothing is replaced"


def test_what_is_still_to_be_set_right_is_told(outputs, say, tmp_path):
    script = tmp_path / "train.sh"
    script.write_text(FLUXGYM)
    code, out, err = say("import", script)
    assert code == FAILED
    assert "to set right: data.folder" in err and "rank = 4" in out
    assert say("import", tmp_path / "no.sh")[0] == WRONG_USE
