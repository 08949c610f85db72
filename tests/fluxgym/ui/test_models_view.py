"""The Models page: downloads, checks and repairs, and the places with files of other tools."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from fluxgym.job.folder import DONE, FAILED, JobStatus, list_jobs
from fluxgym.run.base_model import find_model_folder
from tests.fluxgym.models.files import make_comfy
from tests.fluxgym.models.hub import Hub
from tests.fluxgym.models.machine import ADD, DOWNLOAD, make_empty, send
from tests.pages.opened import press, told
from trainer.mini import MODEL

NAME, VAE = "somebody/flux-mini", "vae/diffusion_pytorch_model.safetensors"


@pytest.fixture(autouse=True)
def machine(outputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_empty(monkeypatch, tmp_path)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    hub = Hub(NAME, MODEL)
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    yield hub
    hub.close()


def script() -> None:
    from fluxgym.ui import models_view
    from fluxgym.view.model_words import take_stock

    stock = take_stock()
    models_view.draw_known(stock)
    models_view.draw_others(stock)
    models_view.draw_places()


def open_view() -> AppTest:
    page = AppTest.from_function(script).run()
    assert not page.exception, page.exception
    return page


def end_of(kind: str, wait_until: Callable[..., object]) -> JobStatus:
    wait_until(lambda: not list_jobs(kind)[0].is_active)
    return list_jobs(kind)[0]


def test_another_model_is_downloaded_checked_and_repaired(hub: Hub, wait_until: Callable[..., object]) -> None:
    page = send(open_view(), "models-name", "flux-mini", DOWNLOAD)
    assert "Got 'flux-mini', expected a name on the Hugging Face Hub" in told(page)
    send(page, "models-name", NAME, DOWNLOAD)
    assert end_of("download", wait_until).state == DONE
    page = open_view()
    assert "FLUX.1, from the Hub, 10.7 MiB." in told(page)
    press(page, "Check")
    assert end_of("check", wait_until).state == DONE
    assert "is what the Hub had given." in told(open_view())
    folder = find_model_folder(NAME)
    assert folder
    blob = (folder / VAE).resolve()
    blob.write_bytes(b"x" * blob.stat().st_size)
    assert "no .safetensors" in told(open_view())
    whole = (MODEL / VAE).read_bytes()
    blob.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    press(open_view(), "Check")
    assert end_of("check", wait_until).state == FAILED
    page = open_view()
    assert "its bytes are not those that the Hub had given" in told(page)
    press(page, "Repair")
    assert end_of("download", wait_until).state == DONE and blob.read_bytes() == whole


def test_a_download_that_failed_says_why_and_is_tried_again(hub: Hub, wait_until: Callable[..., object]) -> None:
    hub.mood.is_gated = True
    send(open_view(), "models-name", NAME, DOWNLOAD)
    assert end_of("download", wait_until).state == FAILED
    page = open_view()
    assert "is given out to those only who accepted its licence" in told(page)
    hub.mood.is_gated = False
    press(page, "Try again")
    assert end_of("download", wait_until).state == DONE


def test_files_of_another_tool_are_used_where_they_are(tmp_path: Path) -> None:
    root = make_comfy(tmp_path / "ComfyUI" / "models")
    page = send(open_view(), "models-path", "/no/such/folder", ADD)
    assert "Got /no/such/folder, which is not there" in told(page)
    send(page, "models-path", str(root), ADD)
    said = told(page)
    assert "2 transformers, 2 VAEs, 1 CLIP, 2 T5s, 1 Qwen3" in said
    assert "With ae.safetensors, clip_l.safetensors, t5xxl_fp16.safetensors." in said
    press(page, "Remove")
    assert "flux1-dev.safetensors" not in told(page)
