"""What goes out of a LoRA's file, and what does not."""

import io
import json

import torch
from safetensors import safe_open
from safetensors.torch import save_file

from fluxgym.access.redact import redactor_of
from fluxgym.publish.sent_file import SentFile
from trainer.config import load_config
from trainer.flux1 import Flux1
from trainer.formats import Pair
from trainer.lora_file import About, Style, describe_lora, describe_training, export_lora
from trainer.plan import Plan
from trainer.progress import Progress

TENSORS = {"a.lora_A.weight": torch.arange(64.0).reshape(8, 8), "a.lora_B.weight": torch.ones(8, 8)}
KOHYA = {
    "ss_network_dim": "8",
    "ss_tag_frequency": json.dumps({"photos": {"anna in the garden": 3}}),
    "ss_datasets": json.dumps([{"subsets": [{"image_dir": "/mnt/private/anna"}]}]),
    "ss_sd_model_name": "flux of anna.safetensors",
    "ss_network_args": json.dumps({"from": "/mnt/private/anna/start.safetensors"}),
    "sshs_model_hash": "0123456789abcdef" * 4,
}


def send(folder):
    with SentFile(folder.lora, redactor_of(folder), Progress("bytes", None)) as file:
        data = file.read()
        assert len(data) == file.size == file.tell()
        pieces, at = b"", 0
        while at < file.size:  # as it is sent in parts: the beginning of each is looked up
            file.seek(0, io.SEEK_END)
            file.seek(at)
            pieces += file.read(37)
            at = file.tell()
        assert pieces == data and file.read(5) == b""
    return data


def test_no_caption_and_no_folder_leaves_this_machine_and_every_tensor_does(folder, tmp_path):
    save_file(TENSORS, folder.lora, KOHYA)
    data = send(folder)
    assert b"anna" not in data and b"/mnt" not in data
    (tmp_path / "sent.safetensors").write_bytes(data)
    with safe_open(tmp_path / "sent.safetensors", "pt") as file:
        assert file.metadata() == {name: KOHYA[name] for name in ("ss_network_dim", "sshs_model_hash")}
        assert all(torch.equal(file.get_tensor(name), tensor) for name, tensor in TENSORS.items())


def test_a_file_of_ours_is_sent_as_it_is(folder):
    about = About("robot", "sks robot", 512, 16, "flux-1-dev", "flux1", 3, 300)
    said = describe_lora(about) | describe_training(load_config(folder.config), Plan(10, 0, 5, 300, 3, 2), 10, 0)
    layers = {"transformer_blocks.0.attn.to_q": Pair(torch.ones(8, 8), torch.ones(8, 8))}
    export_lora(folder.lora, layers, Style(Flux1, "diffusers", torch.bfloat16), said)
    assert send(folder) == folder.lora.read_bytes()


def test_a_file_that_says_nothing_is_sent_as_it_is(folder):
    save_file(TENSORS, folder.lora)
    assert send(folder) == folder.lora.read_bytes()
