"""Whole logs of other tools, in the shapes that those tools write: one file in tests/recordings/logs for each dialect."""

import math
import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from fluxgym.log.dialects import BAR, DIALECTS, KOHYA, OURS
from fluxgym.log.history import History

LOGS = Path(__file__).parents[2] / "recordings" / "logs"
HERE = {OURS.name, KOHYA.name}  # their logs are in logs.py


@dataclass(frozen=True)
class Said:
    """What a log says at its end."""

    steps: int
    epochs: list[tuple[int, int]]
    total_epochs: int | None
    attempts: list[tuple[int, int]]
    checkpoints: list[str]
    lr: float | None
    has_mean: bool
    finished: bool
    pace: float  # seconds per step


CAT = "output/My Cat: v2, FLUX/My Cat: v2, FLUX"
TOOLS = {
    "ai-toolkit": Said(
        40, [], None, [(1, 0), (2, 20)], [f"{CAT}_000000020.safetensors", f"{CAT}.safetensors"], 1e-4, False, True, 2.1
    ),
    "SimpleTuner": Said(
        30, [(1, 1), (2, 11), (3, 21)], 3, [(1, 0), (2, 20)], [], 1e-4, False, False, 1.4
    ),  # saves after its last word
    "OneTrainer": Said(
        32,
        [(1, 1), (2, 9), (3, 17), (4, 25)],
        4,
        [(1, 0), (2, 16)],
        ["/ws/backup/2024-10-02_14-41-07-backup-16-2-0", "models/cat.safetensors"],
        None,
        True,
        False,  # it says so never
        1.5,
    ),
    "diffusers": Said(
        30,
        [],
        6,
        [(1, 0)],
        [
            "out/checkpoint-20/pytorch_lora_weights.safetensors",
            "out/checkpoint-20",
            "out/pytorch_lora_weights.safetensors",
        ],
        1e-4,
        False,
        True,
        2.44,
    ),
}


def loss_of(step):
    """The losses in the logs: made by this, rounded to three digits."""
    return 0.9 / (1 + step / 30) + step * 7 % 5 / 50


def log_of(tool):
    return LOGS / f"{tool.lower()}.log"


def read(path):
    history = History(path)
    history.update()
    return history


def test_each_dialect_has_its_log_and_each_log_its_dialect():
    assert {dialect.name for dialect in DIALECTS} - HERE == set(TOOLS)
    assert sorted(LOGS.glob("*.log")) == sorted(map(log_of, TOOLS))


@pytest.mark.parametrize("tool", TOOLS)
def test_what_a_tool_says_at_its_end(tool):
    expected, said = TOOLS[tool], read(log_of(tool))
    assert (said.step, said.total_steps) == (expected.steps, expected.steps)
    assert (said.epochs, said.total_epochs) == (expected.epochs, expected.total_epochs)
    assert (said.attempts, said.checkpoints) == (expected.attempts, expected.checkpoints)
    assert (said.lr, said.avr_loss is not None) == (expected.lr, expected.has_mean)
    assert (said.finished, said.failure, said.errors) == (expected.finished, None, 0)
    assert said.seconds_per_step == pytest.approx(expected.pace, rel=0.05)  # bars have whole seconds
    assert list(said.steps) == list(range(1, expected.steps + 1))
    assert not any(map(math.isnan, said.losses))
    assert said.losses[-1] == pytest.approx(loss_of(expected.steps), rel=0.005)


@pytest.mark.parametrize("tool", TOOLS)
def test_the_losses_are_those_of_their_steps(tool):
    said = read(log_of(tool))
    assert [step for step, loss in zip(said.steps, said.losses, strict=True) if abs(loss - loss_of(step)) > 0.006] == []


PHASES = [
    ("ai-toolkit", "Loading transformer", "loading"),
    ("ai-toolkit", "Caching latents for /data/cat", "caching"),
    ("ai-toolkit", "Generating baseline samples before training", "sampling"),
    ("ai-toolkit", "Saving at step 20", "saving"),
    ("SimpleTuner", "Load VAE: black-forest-labs/FLUX.1-dev\x1b[0m", "loading"),
    ("SimpleTuner", "-  Total optimization steps = 30", "training"),
    ("SimpleTuner", "Training has completed.", "saving"),
    ("OneTrainer", "/ws/backup/2024-10-02_14-41-07-backup-16-2-0", "saving"),
    ("diffusers", "***** Running training *****", "training"),
    ("diffusers", "Running validation... ", "sampling"),
    ("diffusers", "Saving current state to out/checkpoint-20", "saving"),
]


@pytest.mark.parametrize(("tool", "line", "phase"), PHASES)
def test_what_a_tool_does_at_a_moment(tmp_path, tool, line, phase):
    whole = log_of(tool).read_bytes()
    (tmp_path / "a.log").write_bytes(whole[: whole.index(line.encode()) + len(line)] + b"\n")
    assert read(tmp_path / "a.log").phase == phase


@pytest.mark.parametrize(("step", "finished"), [(20, False), (198, False), (199, True), (200, True)])
def test_weights_that_are_saved_on_the_way_are_not_the_last(tmp_path, step, finished):
    saved = "Model weights saved in out/epoch_3/pytorch_lora_weights.safetensors"
    for end in ("", "\n"):
        log = f"Steps:  10%|x| {step}/200 [00:40<06:00,  2.00s/it, loss=0.4, lr=0.0001]\n{saved}{end}"
        (tmp_path / "a.log").write_text(log)
        assert read(tmp_path / "a.log").finished is finished


def test_simpletuner_is_not_done_when_it_says_so_but_went_on_after_its_errors(tmp_path):
    whole, last = log_of("SimpleTuner").read_text("utf-8"), "Training has completed."
    begin = whole.rindex("\n", 0, whole.index(last))
    for tail in ("\n", "\n[2026-11-24 10:00:00] [INFO] Exiting training loop.\n"):
        (tmp_path / "a.log").write_text(f"{whole[:begin]}\n2025-11-30 21:55:40,657 [ERROR] no grid\n{last}{tail}", "utf-8")
        said = read(tmp_path / "a.log")
        assert (said.finished, said.failure, said.phase, said.step) == (False, None, "saving", 30)
    with (tmp_path / "a.log").open("a") as file:
        file.write("train.sh: line 3:  4242 Killed                  python train.py\n")
    assert read(tmp_path / "a.log").failure.kind == "killed"


@pytest.mark.parametrize(
    ("tool", "names"),
    [
        ("ai-toolkit", {b"My Cat: v2, FLUX"}),
        (
            "SimpleTuner",
            {b"Epoch 1/3 Steps", b"Epoch 1/3, Steps", b"Epoch 2/3, Steps", b"Epoch 3/3 Steps", b"Epoch 3/3, Steps"},
        ),
        ("OneTrainer", {b"step"}),
        ("diffusers", {b"Steps"}),
    ],
)
def test_of_all_bars_only_those_of_the_training_are_steps(tool, names):
    drawn = re.split(rb"[\r\n]", log_of(tool).read_bytes())
    assert {bar["name"] for bar in map(BAR.match, drawn) if bar} == names
