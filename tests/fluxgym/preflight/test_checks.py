"""The look before the start, on real images."""

from dataclasses import replace

import pytest
from PIL import Image

from fluxgym.preflight.checks import count_prompts, preflight
from fluxgym.preflight.report import ERROR, FINE, WARNING
from fluxgym.run.gpu import Gpu
from trainer.folder import RunFolder


def levels(report, subject):
    return [finding.level for finding in report.findings if finding.subject == subject]


def what(report, subject):
    return " ".join(f"{finding.what} {finding.fix}" for finding in report.findings if finding.subject == subject)


def test_all_in_order(make):
    report = preflight(make())
    assert report.errors == []
    assert report.steps == 90, "3 images 6 times by twos, in 10 epochs"
    assert {finding.subject for finding in report.findings} >= {
        "name",
        "model.base",
        "images",
        "captions",
        "steps",
        "gpu",
        "disk",
    }
    assert [row.sizes for row in sorted(report.buckets, key=lambda row: row.name)] == [((96, 96),), ((128, 64),), ((96, 96),)]
    assert levels(report, "sizes") == [FINE]


def test_a_name_that_is_taken(make, outputs):
    folder = RunFolder(outputs / "mine")
    folder.path.mkdir()
    folder.training_log.write_text("Epoch 1/1\n")
    assert levels(preflight(make()), "name") == [ERROR]
    assert levels(preflight(make(), is_new=False), "name") == []


def test_an_image_that_is_cut_off_is_found_by_its_last_byte(make, images):
    whole = (images / "1.png").read_bytes()
    (images / "1.png").write_bytes(whole[: len(whole) // 2])
    report = preflight(make())
    assert levels(report, "images") == [ERROR] and "1.png" in what(report, "images") and report.steps is None


@pytest.mark.parametrize(
    ("captions", "level", "said"),
    [
        (["a cat", "a robo", "a robo"], WARNING, "0.png do not contain the trigger word robo"),
        (["", "", ""], WARNING, "3 of 3 images have no caption"),
        (["", "a ROBO", "robo"], FINE, "images have no caption of their own"),
    ],
)
def test_captions_without_the_trigger(make, images, captions, level, said):
    for number, caption in enumerate(captions):
        (images / f"{number}.txt").write_text(caption)
    report = preflight(make())
    assert levels(report, "captions") == [level] and said in what(report, "captions")


def test_no_trigger_at_all(make):
    assert levels(preflight(make(trigger="")), "trigger") == [WARNING]


def test_what_the_crop_and_the_resolution_take(make, images):
    Image.new("RGB", (400, 64)).save(images / "0.png")
    Image.new("RGB", (64, 64)).save(images / "1.png")
    report = preflight(make())
    assert levels(report, "sizes") == [WARNING, WARNING]
    assert "1.png do not reach the resolution" in what(report, "sizes") and "0.png (" in what(report, "sizes")


def test_a_base_model_that_is_not_whole(make, tmp_path):
    (tmp_path / "flux").mkdir()
    assert levels(preflight(make(**{"model.base": str(tmp_path / "flux")})), "model.base") == [ERROR]
    assert levels(preflight(make(**{"model.base": "/nowhere"})), "model.base") == [ERROR]


def test_a_gated_model_without_a_token_says_where_to_get_one(make, monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    report = preflight(make(**{"model.base": "black-forest-labs/FLUX.1-dev"}))
    assert levels(report, "token") == [ERROR] and "accept it at https://" in what(report, "token")
    assert levels(report, "gpu") == [WARNING] and "flux-mini" in what(report, "gpu")


def test_settings_that_break_loras(make):
    report = preflight(make(**{"train.learning_rate": 0.1, "train.optimizer": "adamw", "lora.alpha": 200.0}))
    assert levels(report, "train.learning_rate") == [WARNING] and levels(report, "lora.alpha") == [WARNING]


def test_memory_is_told_once_it_was_counted(make):
    assert "not known" in what(preflight(make()), "memory")
    report = preflight(make(), patience=120)
    assert levels(report, "memory") == [FINE] and "base as it is" in what(report, "memory")


def test_a_gpu_that_is_too_small(make, monkeypatch):
    from fluxgym.preflight import checks
    from fluxgym.preflight.estimate import Estimate, Way, ask

    small = Way(30 * 2**30, {}, "base in nf4", 8 * 2**30)
    monkeypatch.setattr(checks, "get_estimate", lambda *_: Estimate("cuda", small, {}, 1, 1, 1.0))
    monkeypatch.setattr(checks, "ask_for_place", lambda *_: replace(ask(make(), gpus=[Gpu(0, "uuid")]), device="cuda"))
    assert "needs about 30.0 GB (base in nf4), the GPU has 8.0 GB" in what(preflight(make()), "memory")


def test_too_little_disk_is_an_error(make, monkeypatch):
    import shutil

    usage = shutil.disk_usage("/")
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage._replace(free=1000))
    report = preflight(make())
    assert levels(report, "disk") == [ERROR] and "FLUXGYM_OUTPUTS" in what(report, "disk")


def test_prompts_of_a_file_count(make, tmp_path):
    (tmp_path / "prompts.txt").write_text("# mine\na robo\n\nanother robo\n")
    config = make(**{"sample.prompts": ["a robo"], "sample.prompts_file": str(tmp_path / "prompts.txt")})
    assert count_prompts(config) == 3
    assert count_prompts(make(**{"sample.prompts": [], "sample.prompts_file": "/nowhere"})) == 0
