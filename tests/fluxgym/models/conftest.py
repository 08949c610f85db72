"""A Hub's cache and a token file of a test's own, and a copy of flux-mini to be damaged."""

import shutil
from pathlib import Path

import pytest

from tests.fluxgym.models.hub import COMMIT, blob_name
from trainer.mini import MODEL

NAME = "somebody/flux-mini"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the Hub's library keeps its things; nobody's token is here."""
    for name in (
        "HF_HUB_CACHE",
        "HUGGINGFACE_HUB_CACHE",
        "HF_TOKEN",
        "HUGGING_FACE_HUB_TOKEN",
        "HF_TOKEN_PATH",
        "HF_HUB_OFFLINE",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    return tmp_path / "hf"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """flux-mini as a folder of one's own."""
    return Path(shutil.copytree(MODEL, tmp_path / "flux-mini"))


@pytest.fixture
def cached(home: Path) -> Path:
    """flux-mini as somebody/flux-mini in the Hub's cache: its snapshot's folder."""
    kept = home / "hub" / f"models--{NAME.replace('/', '--')}"
    snapshot = kept / "snapshots" / COMMIT
    for folder in (kept / "refs", kept / "blobs"):
        folder.mkdir(parents=True)
    for file in MODEL.rglob("*"):
        if file.is_file():
            link, blob = snapshot / file.relative_to(MODEL), kept / "blobs" / blob_name(file)
            link.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, blob)
            link.symlink_to(blob)
    (kept / "refs" / "main").write_text(COMMIT)
    return snapshot
