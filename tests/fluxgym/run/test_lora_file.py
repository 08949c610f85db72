"""A LoRA file is whole, or the problem is named."""

import json

import pytest

from fluxgym.run.lora_file import find_problem, read_header
from tests.small_training import write_lora


@pytest.fixture
def lora(tmp_path):
    write_lora(tmp_path / "a.safetensors")
    return tmp_path / "a.safetensors"


def change(lora, **tensor):
    raw = lora.read_bytes()
    length = int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8 : 8 + length])
    header["a.lora_A.weight"] |= tensor
    text = json.dumps(header).encode()
    lora.write_bytes(len(text).to_bytes(8, "little") + text + raw[8 + length :])


def test_whole(lora):
    assert find_problem(lora) == ""


def test_what_safetensors_writes_is_whole(tmp_path):
    torch = pytest.importorskip("torch")
    from safetensors.torch import save_file

    sizes = {"x.lora_A.weight": (2, 3), "x.lora_B.weight": (5, 2), "y.lora_A.weight": (1, 7), "y.lora_B.weight": (7, 1)}
    for kind in (torch.bfloat16, torch.float16, torch.float32):
        save_file({name: torch.zeros(*size, dtype=kind) for name, size in sizes.items()}, tmp_path / "b.safetensors")
        assert find_problem(tmp_path / "b.safetensors") == ""


def test_every_cut_is_found(lora):
    raw = lora.read_bytes()
    for length in range(len(raw)):
        lora.write_bytes(raw[:length])
        assert find_problem(lora), f"cut to {length} bytes"


@pytest.mark.parametrize(
    ("tensor", "words"),
    [
        ({"data_offsets": [0, 8]}, "lies at 0 to 8, expected 0 to 16"),
        ({"data_offsets": [4, 20]}, "expected 0 to 16"),
        ({"shape": [2, 3]}, "expected 0 to 24"),
        ({"dtype": "F99"}, "F99"),
        ({"data_offsets": [0]}, "cannot be read"),
    ],
)
def test_wrong_tensors(lora, tensor, words):
    change(lora, **tensor)
    assert words in find_problem(lora)


def test_other_trouble(lora, tmp_path):
    assert find_problem(tmp_path / "none.safetensors") == "No such file or directory"
    lora.write_bytes(lora.read_bytes() + b"x")
    assert find_problem(lora) == "its tensors have 33 bytes, expected 32"
    write_lora(lora, ("a.lora_A.weight",))
    assert find_problem(lora) == "a.lora_A.weight is there, a.lora_B.weight is not"
    write_lora(lora, ("a.weight",))
    assert "a.weight is no part of a LoRA" in find_problem(lora)
    write_lora(lora, ())
    assert find_problem(lora) == "it holds no tensor"
    lora.write_bytes((2).to_bytes(8, "little") + b"[]")
    assert "cannot be read" in find_problem(lora)


def test_what_a_file_says_of_itself(lora):
    write_lora(lora, metadata={"ss_network_dim": "16"})
    header = read_header(lora)
    assert (header.metadata["ss_network_dim"], header.tensors, header.parameters, header.dtype) == ("16", 2, 8, "F32")
    assert (header.rank, header.problem) == (2, "")
    write_lora(lora, ("a.alpha",), metadata={"ss_network_dim": "16"})
    assert read_header(lora).rank == 16, "read again, and where no tensor tells it, as the metadata have it"


def test_of_a_file_that_cannot_be_read_only_the_problem_is_known(lora, tmp_path):
    lora.write_bytes(lora.read_bytes()[:-1])
    assert "lies at" in read_header(lora).problem or "bytes" in read_header(lora).problem
    for broken in (b"", b"x" * 100, b"\x02" + bytes(7) + b"[]"):
        lora.write_bytes(broken)
        header = read_header(lora)
        assert (header.metadata, header.tensors, bool(header.problem)) == ({}, 0, True)
    assert read_header(tmp_path / "gone.safetensors").problem == "No such file or directory"


def test_halves_of_letters_in_its_metadata_can_be_sent(tmp_path):
    header = b'{"__metadata__": {"title": "half \\ud800"}}'
    (tmp_path / "half.safetensors").write_bytes(len(header).to_bytes(8, "little") + header)
    assert read_header(tmp_path / "half.safetensors").metadata == {"title": "half ?"}
