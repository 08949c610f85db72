"""Downloads from a real HTTP server that cuts off, resumes, and lies."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, RepositoryNotFoundError

from fluxgym.models.fetch import Fetch
from fluxgym.models.verify import is_whole
from fluxgym.models.wrong import Refused
from fluxgym.run import lock
from fluxgym.run.base_model import find_model_folder
from tests.fluxgym.models.conftest import NAME
from tests.fluxgym.models.hub import TOKEN, Hub, blob_name
from trainer.mini import MODEL

TRANSFORMER = "transformer/diffusion_pytorch_model.safetensors"
WEIGHTS = 4  # files of flux-mini


@pytest.fixture
def hub(copy, monkeypatch):
    (copy / "README.md").write_text("A model card, which no training needs.")
    (copy / "flux-mini.safetensors").write_bytes(b"all of it once more")
    hub = Hub(NAME, copy)
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    yield hub
    hub.close()


def names(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def partial_of(home: Path, name: str) -> Path:
    return home / "hub" / f"models--{NAME.replace('/', '--')}" / "blobs" / f"{blob_name(MODEL / name)}.incomplete"


def test_what_a_training_needs_comes_once_and_the_hub_s_library_finds_it(hub):
    Fetch(NAME).run()
    folder = find_model_folder(NAME)
    assert names(folder) == names(MODEL) - {"README.md"} and is_whole(NAME)
    assert all((folder / name).read_bytes() == (MODEL / name).read_bytes() for name in names(folder))
    asked = len(hub.asked)
    assert asked == len({name for name, _ in hub.asked}), "no file is asked for twice"
    Fetch(NAME).run()
    wanted = f"{NAME!r}, allow_patterns=['vae/*', 'm*.json']"
    program = f"from huggingface_hub import snapshot_download; print(snapshot_download({wanted}))"
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=os.environ)
    assert said.stdout.strip() == str(folder)
    assert len(hub.asked) == asked, "all of it was here"


def test_a_connection_that_breaks_is_gone_on_with(hub, monkeypatch):
    monkeypatch.setattr("fluxgym.models.fetch.WAITS", (0.01,))
    hub.mood.cut_after, hub.mood.cuts = 300_000, 20
    Fetch(NAME).run()
    assert is_whole(NAME)
    starts = [first for name, first in hub.asked if name == TRANSFORMER]
    assert len(starts) > 1 and starts == sorted(set(starts)), "each time from where it broke off"


def test_what_a_process_left_is_gone_on_with(hub, home):
    data = (MODEL / TRANSFORMER).read_bytes()
    partial = partial_of(home, TRANSFORMER)
    partial.parent.mkdir(parents=True)
    partial.write_bytes(data[:1_000_000])
    Fetch(NAME).run()
    assert (TRANSFORMER, 1_000_000) in hub.asked and is_whole(NAME)
    assert not partial.exists()


@pytest.mark.parametrize("left", [0, 1_000_000, 100_000_000])
def test_a_server_that_knows_no_ranges_begins_anew(hub, home, left):
    """As does one whose file is shorter than what is here, and one of which nothing is here yet."""
    hub.mood.ignores_range = True
    partial = partial_of(home, TRANSFORMER)
    partial.parent.mkdir(parents=True)
    partial.write_bytes(b"x" * left)
    Fetch(NAME).run()
    assert is_whole(NAME)


def test_more_than_there_is_of_a_file_is_thrown_away(hub, home, monkeypatch):
    monkeypatch.setattr("fluxgym.models.fetch.WAITS", (0.01,))
    partial = partial_of(home, TRANSFORMER)
    partial.parent.mkdir(parents=True)
    partial.write_bytes(b"x" * 100_000_000)
    Fetch(NAME).run()
    assert is_whole(NAME)


def test_sizes_that_are_a_lie_are_refused_before_anything_is_written(hub, home):
    hub.mood.extra = 5
    with pytest.raises(Refused, match=r"the Hub lists .*\.safetensors with .* bytes, its server sends"):
        Fetch(NAME).run()
    assert not is_whole(NAME) and find_model_folder(NAME) is None
    assert not any(partial_of(home, name).exists() for name in names(MODEL) if name.endswith(".safetensors"))


def test_other_bytes_than_listed_are_thrown_away_and_asked_for_again(hub, home):
    hub.mood.garbles = TRANSFORMER
    with pytest.raises(Refused, match="came with other bytes than the Hub says it has, and was thrown away"):
        Fetch(NAME).run()
    assert not partial_of(home, TRANSFORMER).exists() and find_model_folder(NAME) is None
    hub.mood.garbles = ""
    Fetch(NAME).run()
    assert is_whole(NAME)


def test_a_damaged_file_is_repaired(hub):
    Fetch(NAME).run()
    hub.asked.clear()
    blob = (find_model_folder(NAME) / TRANSFORMER).resolve()
    blob.write_bytes(b"x" + blob.read_bytes()[1:])
    Fetch(NAME).run()
    assert hub.asked == [], "its length is right, nobody looked at its bytes"
    Fetch(NAME, repair=True).run()
    assert hub.asked == [(TRANSFORMER, 0)] and blob.read_bytes() == (MODEL / TRANSFORMER).read_bytes()
    blob.write_bytes(b"cut off")
    Fetch(NAME).run()
    assert blob.read_bytes() == (MODEL / TRANSFORMER).read_bytes()


def test_patience_ends(hub, monkeypatch):
    monkeypatch.setattr("fluxgym.models.fetch.WAITS", (0.05,))
    hub.mood.is_down = True
    with pytest.raises(HfHubHTTPError) as caught:
        Fetch(NAME, patience=0.3).run()
    assert caught.value.response.status_code == 503 and len(hub.asked) == 0


def test_licences_tokens_and_names(hub, monkeypatch):
    hub.mood.is_gated = True
    with pytest.raises(GatedRepoError):
        Fetch(NAME).run()
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    Fetch(NAME).run()
    assert is_whole(NAME)
    with pytest.raises(RepositoryNotFoundError):
        Fetch("somebody/else").run()
    with pytest.raises(Refused, match="expected a name on the Hub: owner/model"):
        Fetch("../../etc/passwd")


def test_other_kinds_of_models(hub, copy):
    (copy / "model_index.json").write_text('{"_class_name": "StableDiffusionPipeline"}')
    with pytest.raises(Refused, match="is another kind of model"):
        Fetch(NAME).run()
    (copy / "model_index.json").unlink()
    with pytest.raises(Refused, match=r"has no model_index\.json"):
        Fetch(NAME).run()


def test_no_room_is_told_before_anything_comes(hub, monkeypatch):
    usage = shutil.disk_usage("/")
    monkeypatch.setattr("shutil.disk_usage", lambda _path: usage._replace(free=1_000_000))
    with pytest.raises(Refused, match=r"GiB are to come, .* are free in .*: free some room, or set HF_HOME"):
        Fetch(NAME).run()
    assert {name for name, _ in hub.asked} == {"model_index.json"}


def test_two_do_not_write_the_same_files(hub, home):
    kept = home / "hub" / f"models--{NAME.replace('/', '--')}"
    kept.mkdir(parents=True)
    with lock.hold(kept / "fluxgym.lock", 1), pytest.raises(Refused, match="Another process is downloading"):
        Fetch(NAME).run()
