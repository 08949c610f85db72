"""What is told of .safetensors files by their headers, and of what lies under their names."""

import json

import pytest
import torch
from safetensors.torch import save_file

from trainer import mini
from trainer.header import WeightsError, find_file_problem, list_files, read_header


def test_shards_by_their_index(tmp_path):
    save_file({"a": torch.ones(2)}, tmp_path / "model-00001-of-00002.safetensors")
    save_file({"b": torch.zeros(3)}, tmp_path / "model-00002-of-00002.safetensors")
    save_file({"c": torch.zeros(3)}, tmp_path / "model.fp16.safetensors")
    index = {"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    assert [list(read_header(file)) for file in list_files(tmp_path)] == [["a"], ["b"]]
    assert list_files(mini.MODEL / "vae") == [mini.MODEL / "vae" / "diffusion_pytorch_model.safetensors"]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:1\n", "is a pointer of Git LFS instead of the weights"),
        (b"<!DOCTYPE html><html>Sign in</html>", "it is a web page: was the licence accepted"),
        (b"GGUF\x03\x00\x00\x00", "is a GGUF file, expected .safetensors: take the model's bf16 or fp8 file instead"),
        (b"PK\x03\x04....", "is a PyTorch pickle (.pt, .ckpt), expected .safetensors"),
        (b"", "got a file of 0 bytes that is no .safetensors"),
    ],
)
def test_what_is_no_safetensors_is_told_with_the_cure(tmp_path, content, problem):
    file = tmp_path / "x.safetensors"
    file.write_bytes(content)
    assert problem in find_file_problem(file)
    with pytest.raises(WeightsError, match=r"x\.safetensors: "):
        read_header(file)


def test_half_a_file(tmp_path):
    file = tmp_path / "x.safetensors"
    save_file({"a": torch.ones(100)}, file)
    whole = file.read_bytes()
    file.write_bytes(whole[:-200])
    assert find_file_problem(file) == f"got {len(whole) - 200} bytes, expected {len(whole)}: download it again"
    assert find_file_problem(tmp_path / "gone") == "cannot be read: No such file or directory"


def test_a_header_that_promises_other_sizes_than_its_shapes(tmp_path):
    header = json.dumps({"a": {"dtype": "F32", "shape": [4], "data_offsets": [0, 8]}}).encode()
    (tmp_path / "x").write_bytes(len(header).to_bytes(8, "little") + header + b"0" * 8)
    assert "a has 8 bytes, expected 16" in find_file_problem(tmp_path / "x")
