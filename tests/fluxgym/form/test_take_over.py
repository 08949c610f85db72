"""Which file says what, of ours and of other tools, and the form that comes of it."""

from pathlib import Path

import pytest

from fluxgym.form import form
from fluxgym.form.imported import ImportFailed
from fluxgym.form.sources import Source, read_source
from fluxgym.form.take_over import another, fill_in, find_file, read_folder, read_sources
from fluxgym.run.opened import place
from tests.fluxgym.form.test_kohya_import import DATASET, FLUXGYM
from trainer.config import dump_config
from trainer.folder import RunFolder

pytestmark = pytest.mark.usefixtures("outputs")


def write(folder: Path, **files: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text, encoding="utf-8")
    return folder


def test_a_config_of_ours_comes_back_as_it_was_exported() -> None:
    values = form.demo_values() | {"data.resolution": [64, 96], "train.gradient_checkpointing": True}
    text = dump_config(form.to_config(values))
    imported = read_sources([Source("config.toml", text)])
    assert imported.left == []
    assert form.to_config(fill_in(imported)) == form.to_config(values)


def test_a_part_of_a_config_and_what_nobody_knows() -> None:
    imported = read_sources([Source("pasted", "[lora]\nrank = 8\nbogus = 1\n[train]\nepochs = 'ten'\n")])
    assert imported.values == {"lora.rank": 8}
    assert list(map(str, imported.left)) == [
        "lora.bogus: no setting is called so",
        "train.epochs: got 'ten', expected a whole number from 1 up to 10000",
    ]


def test_a_folder_of_fluxgym(tmp_path: Path) -> None:
    folder = write(tmp_path / "my-cat", train__sh=FLUXGYM, dataset__toml=DATASET, sample_prompts__txt="a sks cat\n")
    values = fill_in(read_folder(folder))
    assert (values["name"], values["trigger"], values["sample.prompts"]) == ("my-cat", "sks cat", ["a sks cat"])
    assert form.find_problems(values) == {}
    together = read_sources([read_source(folder / name) for name in ("dataset.toml", "sample_prompts.txt", "train.sh")])
    assert fill_in(together) == values


def test_options_in_a_file_and_a_dataset_alone() -> None:
    assert read_sources([Source("c.toml", "network_dim = 8\n")]).values["lora.rank"] == 8
    alone = read_sources([Source("dataset.toml", DATASET)]).values
    assert (alone["data.folder"], alone["data.batch_size"]) == ("/gym/datasets/my-cat", 1)
    assert "lora.rank" not in alone


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ([], "got nothing"),
        ([Source("a.txt", "hello")], "got a.txt"),
        ([Source("a.sh", "echo hello")], "no command that starts"),
        ([Source("a.toml", "[lora]\n"), Source("b.toml", "[lora]\n")], "expected one of them"),
        ([Source("a.sh", "python sdxl_train.py --x")], "sdxl_train.py"),
    ],
)
def test_what_holds_no_settings(given: list[Source], words: str) -> None:
    with pytest.raises(ImportFailed, match=words):
        read_sources(given)


def test_another_like_a_run_of_ours_and_of_another_tool(outputs: Path, tmp_path: Path) -> None:
    run = RunFolder(write(outputs / "cat", config__toml=dump_config(form.to_config(form.demo_values() | {"name": "cat"}))))
    assert another(run) == (form.demo_values() | {"name": "cat-2"}, None)
    folder = write(tmp_path / "my-cat", train__sh=FLUXGYM, dataset__toml=DATASET)
    opened = place(outputs / ".opened", folder, None)
    values, imported = another(opened)
    assert values["name"] == "my-cat" and imported and len(imported.left) == 3
    values, _ = another(place(outputs / ".opened", run.path, None))
    assert values | {"name": ""} == form.demo_values() | {"name": ""}
    assert find_file(tmp_path) is None
    with pytest.raises(ImportFailed, match=r"expected a folder with config\.toml"):
        another(place(outputs / ".opened", tmp_path, None))
