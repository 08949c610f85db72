"""What a base model is made of, told without torch: by its folder, by the names of its files, by the names of its weights."""

import json
import subprocess
import sys

import pytest

from trainer import mini
from trainer.anatomy import ANATOMIES, FLUX1, INDEX, describe, find_anatomy, find_folder_problems, find_prefix, is_wanted
from trainer.families import FAMILIES


def test_every_family_is_here_and_told_without_torch():
    assert [family.title for family in FAMILIES] == [anatomy.title for anatomy in ANATOMIES]
    for family, anatomy in zip(FAMILIES, ANATOMIES, strict=True):
        assert family.recipes.keys() == anatomy.settings.keys() <= anatomy.configs.keys()
    program = "import sys, trainer.anatomy; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_a_folder_says_its_family(tmp_path):
    assert find_anatomy(mini.MODEL) is FLUX1
    assert find_anatomy(tmp_path) is None
    (tmp_path / INDEX).write_text(json.dumps({"_class_name": "StableDiffusionPipeline"}))
    assert find_anatomy(tmp_path) is None


def test_the_files_that_a_training_needs_are_all_of_flux_mini():
    names = [str(path.relative_to(mini.MODEL)) for path in mini.MODEL.rglob("*") if path.is_file()]
    assert all(is_wanted(name) for name in names if name != "README.md")
    unwanted = ("README.md", "flux1-dev.safetensors", "text_encoder/model.bin", "transformer", "safety_checker/config.json")
    assert not any(is_wanted(name) for name in unwanted)


def test_problems_of_a_part_that_is_not_whole(tmp_path):
    assert list(find_folder_problems(mini.MODEL / "vae", "config.json", True)) == []
    assert [problem.split(":")[0] for problem in find_folder_problems(tmp_path, "config.json", True)] == [
        "config.json is missing",
        "*.safetensors is missing",
    ]
    assert len(list(find_folder_problems(tmp_path, "config.json", False))) == 1


@pytest.mark.parametrize(
    ("names", "prefix"),
    [
        (["double_blocks.0.img_mod.lin.weight"], ""),
        (["vae.x", "model.diffusion_model.double_blocks.0.img_mod.lin.weight"], "model.diffusion_model."),
        (["xdouble_blocks.0.img_mod.lin.weight"], None),
        ([], None),
    ],
)
def test_a_part_is_found_under_whatever_stands_before_it(names, prefix):
    assert find_prefix(names, ("other", "double_blocks.0.img_mod.lin.weight")) == prefix


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("model.diffusion_model.input_blocks.0.0.weight", "Stable Diffusion 1, 2 or XL"),
        ("lora_unet_double_blocks_0_img_attn_qkv.lora_down.weight", "a LoRA"),
        ("transformer.transformer_blocks.0.attn.to_q.lora_A.weight", "a LoRA"),
        ("double_stream_modulation_img.lin.weight", "FLUX.2"),
        ("joint_blocks.0.context_block.attn.qkv.weight", "Stable Diffusion 3"),
        ("distilled_guidance_layer.in_proj.weight", "Chroma"),
        ("what.is.this", "a model unknown here, with weights such as what.is.this"),
    ],
)
def test_a_file_is_described_by_its_names(name, kind):
    assert describe([name]) == kind and describe([]) == "no weights"
