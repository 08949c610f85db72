"""Single files are told by their headers: which part of which model each is."""

import pytest

from fluxgym.models.pieces import DEEPEST, list_pieces, read_piece
from tests.fluxgym.models import files
from tests.fluxgym.models.files import make_comfy, write


@pytest.mark.parametrize(
    ("shapes", "setting", "family"),
    [
        (files.FLUX1, "transformer", "FLUX.1"),
        (files.KLEIN, "transformer", "FLUX.2 klein"),
        (files.VAE, "vae", "FLUX.1"),
        (files.VAE2, "vae", "FLUX.2 klein"),
        (files.CLIP_L, "clip", "FLUX.1"),
        (files.T5, "t5", "FLUX.1"),
        (files.QWEN, "qwen", "FLUX.2 klein"),
    ],
)
def test_what_a_file_is(tmp_path, shapes, setting, family):
    for number, prefix in enumerate(("", "model.diffusion_model.")):
        piece = read_piece(write(tmp_path / f"{number}.safetensors", shapes, prefix))
        assert (piece.setting, piece.family, piece.held) == (setting, family, (setting,))


@pytest.mark.parametrize("shapes", [files.VAE_SD, files.CLIP_G, files.UMT5, files.LORA, {"what.is.this": [1]}])
def test_parts_of_other_models_are_not_told_of(tmp_path, shapes):
    assert read_piece(write(tmp_path / "x.safetensors", shapes)) is None
    assert read_piece(tmp_path / "gone.safetensors") is None


def test_a_file_may_hold_several_parts(tmp_path):
    piece = read_piece(write(tmp_path / "all.safetensors", files.FLUX1 | files.VAE | files.T5))
    assert (piece.setting, piece.held) == ("transformer", ("transformer", "vae", "t5"))


def test_a_flux_that_is_cut_off_is_told_of_and_seen_when_it_is_whole_again(tmp_path):
    file = write(tmp_path / "flux1-dev.safetensors", files.FLUX1)
    whole = file.stat().st_size
    with file.open("r+b") as stream:
        stream.truncate(1000)
    assert "got 1000 bytes, expected" in read_piece(file).problem
    with file.open("r+b") as stream:
        stream.truncate(whole)
    assert read_piece(file).problem == ""
    assert read_piece(file.rename(tmp_path / "other.safetensors")) is not None


def test_a_folder_is_walked_but_for_what_holds_no_base_models(tmp_path):
    root = make_comfy(tmp_path / "comfy")
    names = [piece.path.name for piece in list_pieces(root)]
    assert sorted(names) == [
        "ae.safetensors",
        "clip_l.safetensors",
        "flux-2-klein-base-4b.safetensors",
        "flux1-dev.safetensors",
        "flux2-vae.safetensors",
        "qwen_3_4b.safetensors",
        "t5xxl_fp16.safetensors",
        "t5xxl_fp8_e4m3fn.safetensors",
    ]
    assert [piece.path.name for piece in list_pieces(root / "vae" / "ae.safetensors")] == ["ae.safetensors"]


def test_links_are_followed_once_and_not_for_ever_deep(tmp_path):
    other = tmp_path / "other disk"
    write(other / "ae.safetensors", files.VAE)
    root = tmp_path / "root"
    root.mkdir()
    (root / "vae").symlink_to(other)
    (other / "back").symlink_to(root)
    assert len(list_pieces(root)) == 1
    write(root.joinpath(*"abcdefgh") / "ae.safetensors", files.VAE)
    assert len("abcdefgh") > DEEPEST and len(list_pieces(root)) == 1
