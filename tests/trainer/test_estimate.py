"""What a training will need, told without weights."""

import json

import pytest
import torch

from trainer.config import Config, dump_config, load_config
from trainer.estimate import find_family, main
from trainer.families import find_base
from trainer.measure import Measure, find_shapes
from trainer.memory import GB
from trainer.mini import DEMO

DEV = {"family": "FLUX.1", "guidance_embeds": True}  # its sizes are diffusers' defaults
KLEIN = {"family": "FLUX.2 klein", "num_layers": 5, "num_single_layers": 20, "num_attention_heads": 24}
KLEIN |= {"joint_attention_dim": 7680, "guidance_embeds": False}


@pytest.fixture
def write(tmp_path):
    def write(base="somebody/flux", **sections):
        config = {"name": "x", "model": {"base": base}, "data": {"folder": "x", "resolution": 1024}} | sections
        (tmp_path / "config.toml").write_text(dump_config(Config.model_validate(config)))
        return str(tmp_path / "config.toml")

    return write


@pytest.fixture
def tell(capsys):
    def tell(*arguments):
        assert main(arguments) == 0
        return json.loads(capsys.readouterr().out)

    return tell


def test_flux_at_its_real_size(write, tell):
    """The bytes by which presets choose; of the LoRA what its file will have."""
    said = tell(write(), "--device", "cuda", "--built-as", json.dumps(DEV), "--free", str(79 * GB))
    assert said["chosen"]["quantise"] == "none" and said["chosen"]["checkpointed"] < 57
    assert [said["presets"][size]["quantise"] for size in ("24", "16", "12", "8")] == ["int8", "int8", "nf4", "nf4"]
    for size in ("24", "16", "12"):
        assert said["presets"][size]["bytes"] <= said["presets"][size]["room"]
    weights = said["lora_weights"]
    assert said["lora_bytes"] == 2 * weights and said["state_bytes"] == 3 * 4 * weights
    assert said["step_flops"] == pytest.approx(172e12, rel=0.01), "as tests/benchmarks/roofline.py prints"


def test_klein_takes_a_third(write, tell):
    small, large = (tell(write(), "--device", "cuda", "--built-as", json.dumps(kind)) for kind in (KLEIN, DEV))
    assert small["step_flops"] < 0.5 * large["step_flops"] and small["chosen"] is None, "how much is free was not said"
    assert small["presets"]["16"]["quantise"] == "none"


def test_what_is_asked_for_is_estimated(write, tell):
    asked = write(lora={"rank": 32}, memory={"preset": "12"}, model={"base": "x/y", "quantise": "int8"})
    said = tell(asked, "--device", "cuda", "--built-as", json.dumps(DEV), "--size", "768x512")
    assert said["chosen"]["quantise"] == "int8" and said["size"] == [768, 512]
    assert said["lora_weights"] == 2 * tell(write(), "--device", "cuda", "--built-as", json.dumps(DEV))["lora_weights"]


def test_the_model_of_the_demo(tell):
    said = tell(str(DEMO))
    if not torch.cuda.is_available():
        assert (said["device"], said["presets"]) == ("cpu", {})
        assert 0 < said["chosen"]["bytes"] < 2 * GB


def test_a_sketch_has_the_shapes_of_what_is_encoded():
    config = load_config(DEMO)
    family = find_base(config.model, torch.device("cpu"))
    with family.text_encoder() as encoder:
        known = {name: tuple(value.shape) for name, value in encoder.encode("a robot").items()}
    sketch = family.sketch((96, 64), Measure(family, config.lora, 1).twin.model)
    shapes = dict(find_shapes(sketch))
    assert shapes.pop("") == (16, 8, 12)
    assert shapes == {name: known[name] for name in shapes}


def test_klein_is_sketched_as_it_is_packed(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(KLEIN))
    config = load_config(DEMO)
    family = find_family(config, torch.device("meta"), tmp_path)
    sketch = family.sketch((512, 256), Measure(family, config.lora, 1).twin.model)
    assert family.pack(sketch.latents).shape == (1, 512, 128)


@pytest.mark.parametrize(
    ("base", "built_as", "said"),
    [
        ("somebody/flux", None, "is not on this machine yet"),
        ("somebody/flux", {"family": "Stable Diffusion"}, "got the family 'Stable Diffusion', expected FLUX.1 or FLUX.2 klein"),
    ],
)
def test_a_base_that_nobody_knows(write, capsys, base, built_as, said):
    built = ["--built-as", json.dumps(built_as)] if built_as else []
    assert main([write(base), *built]) == 2
    assert said in capsys.readouterr().out
