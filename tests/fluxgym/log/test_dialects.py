"""The table of formats: one recorded line of each shape, and lines that must say nothing."""

import math

import pytest

from fluxgym.log.dialects import BAR, read_bar, read_text, split_line
from fluxgym.log.events import Attempt, Checkpoint, Epoch, Finished, Phase, Plan, Resume, Sample, Validation


def bar(text):
    match = BAR.match(text.encode())
    return match and read_bar(match)


def test_our_bar():
    step = bar(
        "2026-11-24 10:15:03 steps:   0%|          | 1/300 [00:00<00:27, 11.00it/s, loss=0.9834, avr_loss=0.9, lr=2e-04]"
    )
    assert (step.step, step.total, step.loss, step.average, step.lr, step.is_stamped) == (1, 300, 0.9834, 0.9, 2e-4, True)
    later = bar(
        "2026-11-25 10:15:04 steps:   0%|          | 1/300 [00:00<00:27, 11.00it/s, loss=0.9834, avr_loss=0.9, lr=2e-04]"
    )
    assert later.clock - step.clock == 86_401


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("steps:  75%|███▊ | 7656/10208 [8:22:47<2:47:35,  3.94s/it, avr_loss=0.315]", (7656, 10208, None, 0.315, 30167)),
        ("steps:   0%|          | 0/3680 [00:00<?, ?it/s]", (0, 3680, None, None, 0)),
        (
            "steps: 100%|#####| 800/800 [177:04:17<00:00, 11.81it/s, Keys Scaled=3, avr_loss=1e-3]",
            (800, 800, None, 1e-3, 637457),
        ),
        ("steps:  45%| 9/20 [03:15<03:45, 20.5s/it, loss=0.0234, avr_loss=0.0312, lr=8e-04]", (9, 20, 0.0234, 0.0312, 195)),
        ("steps:   5%|5| 5/100 [00:05<01:35,  1.0s/it, loss=odd]", (5, 100, None, None, 5)),
    ],
)
def test_bars_without_a_stamp(text, expected):
    step = bar(text)
    assert (step.step, step.total, step.loss, step.average, step.clock) == expected
    assert not step.is_stamped


def test_a_wrapped_bar_keeps_its_stamp_and_nan_is_nan():
    step = bar("[2024-09-15 01:12:55] [INFO] steps:   1%|1         | 1/100 [00:05<01:35,  1.0s/it, avr_loss=nan]")
    assert step.is_stamped
    assert math.isnan(step.average)
    assert bar("2026-13-45 10:15:03 steps:   1%|1         | 1/100 [00:05<01:35,  1.0s/it]").clock is None


def test_a_loss_of_which_no_sum_can_be_made_is_infinite_and_what_is_no_number_is_unknown():
    step = bar("steps:   1%|1         | 1/100 [00:05<01:35,  1.0s/it, loss=-1e308, avr_loss=1.2.3]")
    assert (step.loss, step.average) == (-math.inf, None)
    assert math.isnan(read_text("Validation: loss 1.2.3 at step 5").loss)
    assert read_text("Validation: loss 1e308 at step 5").loss == math.inf


@pytest.mark.parametrize(
    "text",
    [
        "read caption: 100%|##########| 15/15 [00:00<00:00, 99.10it/s]",
        "  5%|5         | 3/60 [00:01<00:30,  2.0it/s]",
        "a caption with steps:   0%|          | 1/300 [00:00<00:27, 11.00it/s, loss=0.9834]",
        "steps:  75%|###  | 7656/10208 [8:22:47<2:47:35,  3.94s/it, avr_loss=0.31",
        "substeps:  75%|###  | 7656/10208 [8:22:47<2:47:35,  3.94s/it]",
    ],
)
def test_what_is_no_bar_of_ours(text):
    assert bar(text) is None


@pytest.mark.parametrize(
    ("text", "event"),
    [
        ("=== Attempt 2, 2026-11-24 10:20:00, resumed from my-lora-4-state ===", Attempt(2, True)),
        ("=== Attempt 1, 2026-11-24 10:14:00 ===", Attempt(1, False)),
        ("2026-11-24 10:15:00 Loading text encoders: flux-mini", Phase("loading", "Loading text encoders: flux-mini")),
        ("2026-11-24 10:15:00 Downloading a/b: 12 files", Phase("downloading", "Downloading a/b: 12 files")),
        ("2026-11-24 10:15:00 Compiling the transformer", Phase("compiling", "Compiling the transformer")),
        ("2026-11-24 10:15:01 Caching text embeddings: 3/17", Phase("caching", "Caching text embeddings: 3/17")),
        ("2026-11-24 10:15:02 Training: 1,300 steps, 10 epochs of 130 steps, batch 4", Plan(1300, 10)),
        ("2026-11-24 10:15:02 Resuming: step 123 of 300 from outputs/my-lora/my-lora-4-state", Resume(123, 300)),
        ("2026-11-24 10:15:02 Sampling: 4 prompts at step 0", Phase("sampling", "Sampling: 4 prompts at step 0")),
        ("2026-11-24 10:15:02 Saving sample: a b/sample/x_e000000_00_1_42.png", Sample("a b/sample/x_e000000_00_1_42.png")),
        ("2026-11-24 10:15:02 Epoch 1/10", Epoch(1, 10)),
        ("2026-11-24 10:15:04 Validating: 3/20", Phase("validating", "Validating: 3/20")),
        ("2026-11-24 10:15:05 Validation: loss 0.9123 at step 30", Validation(30, 0.9123)),
        ("2026-11-24 10:15:05 Saving LoRA: outputs/a/a-000004.safetensors", Checkpoint("outputs/a/a-000004.safetensors")),
        (
            "2026-11-24 10:15:05 Saving checkpoint: outputs/my-lora/my-lora-4-state",
            Checkpoint("outputs/my-lora/my-lora-4-state"),
        ),
        ("2026-11-24 10:15:30 Training finished", Finished()),
        ("epoch 3/8", Epoch(3, 8)),
        ("epoch is incremented. current_epoch: 0, epoch: 1", Epoch(1, is_hint=True)),
        ("  num epochs / epoch数: 16", Plan(total_epochs=16)),
        ("  total optimization steps / 学習ステップ数: 1600", Plan(total_steps=1600)),
        ("saving checkpoint: /out/x-000004.safetensors", Checkpoint("/out/x-000004.safetensors")),
        ("saving state at epoch 4", Phase("saving", "saving state at epoch 4")),
        ("saving last state.", Phase("saving", "saving last state.")),
        ("2024-09-15 01:12:55 INFO     model saved.                            train_network.py:1081", Finished()),
        ("[2024-09-15 01:12:55] [INFO] epoch 1/16", Epoch(1, 16)),
        (
            "[2024-09-15 01:12:55] [INFO]                     INFO     caching latents...   train_util.py:1038",
            Phase("caching", "caching latents..."),
        ),
    ],
)
def test_one_line_of_each_shape(text, event):
    assert read_text(split_line(text).text) == event


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("validation steps:  50%|#####     | 5/10 [00:02<00:02,  2.1it/s]", "validating"),
        ("epoch validation steps:   0%|          | 0/10 [00:00<?, ?it/s]", "validating"),
        ("cache Text Encoder outputs for sample prompt: /d/sample_prompts.txt", "caching"),
        ("2024-09-15 01:12:55 INFO     preparing accelerator                   train_network.py:335", "loading"),
        ("Fetching 18 files:  17%|#6        | 3/18 [00:00<00:00, 23.43it/s]", "downloading"),
        ("Downloading bytes: ████      |  1.2GB     300MB/s", "downloading"),
        ("Reconstructing (incomplete total...):  40%|####      |  1.2GB / 3.0GB  300MB/s", "downloading"),
        ("model.safetensors:  15%|#5        | 36.9M/246M [00:10<00:59, 3.48MB/s]", "downloading"),
        ("tokenizer_config.json:   0%|          | 0.00/905 [00:00<?, ?B/s]", "downloading"),
        (
            "(…)usion_pytorch_model-00001-of-00003.safetensors:   1%|1         | 105M/9.98G [00:01<01:01, 160MB/s]",
            "downloading",
        ),
        ("config.json: downloading bytes: ████|  4.5kB     23.5MB/s", "downloading"),
        ("AUTOTUNE addmm(4608x3072, 4608x3072, 3072x3072)", "compiling"),
    ],
)
def test_phases_that_tools_and_libraries_show(text, name):
    said = read_text(split_line(text).text)
    assert isinstance(said, Phase)
    assert said.name == name


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-24 10:15:00 A caption: Training finished",
        "2026-11-24 10:15:00 Training finished early?",
        "removing old checkpoint: x-000004.safetensors",
        "a cat, model.safetensors:  15%|#5        | 36.9M/246M [00:10<00:59, 3.48MB/s]",
        "the modem made 56 kB/s",
        "Fetching 18 files",
        "100%|##########| 15/15 [00:00<00:00, 99.10it/s]",
        "Epoch 3/8 of the tale",
        "my model saved.",
        "num train images * repeats / 学習画像の数\u00d7繰り返し回数: 105",
    ],
)
def test_lines_that_say_nothing(text):
    assert read_text(split_line(text).text) is None


def test_frames_give_level_text_and_wrapping():
    rich = split_line("2024-09-15 01:12:55 WARNING  text wrapped at                       train_util.py:123")
    assert (rich.level, rich.text, rich.is_wrapped) == ("WARNING", "text wrapped at", True)
    more = split_line("                             80 columns")
    assert (more.text, more.goes_on) == ("80 columns", True)
    ours = split_line("2026-11-24 10:15:30 ERROR the dataset has no image: x.py:12")
    assert (ours.level, ours.text, ours.is_wrapped) == ("ERROR", "the dataset has no image: x.py:12", False)
    assert split_line("[rank1]:   File 'a.py', line 3").text == "  File 'a.py', line 3"
    assert split_line("ERROR:torch.distributed.api:failed").level == "ERROR"
