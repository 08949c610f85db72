"""The validation: fixed noise at fixed levels, always l2, of the averaged weights, and shared by several processes."""

import re
import subprocess

import pytest
import torch
from PIL import Image

from trainer.config import parse_config
from trainer.feed import show_held_out
from trainer.flow import compute_loss
from trainer.interrupt import Stop
from trainer.loop import take_step
from trainer.prepare import prepare
from trainer.validate import validate

VALIDATED = re.compile(r"Validation: loss ([\d.]+) at step (\d+)")


@pytest.fixture
def training(small, make_run):
    """Some steps into it, with an average that lags behind the weights and another loss than l2."""
    small["train"] |= {"ema": 0.9, "loss": "huber"}
    training = prepare(parse_config(small), make_run(small), None, Stop())
    for _ in range(3):
        take_step(training)
        training.progress.step, training.progress.position = training.progress.step + 1, training.progress.position + 1
    return training


def measured(training, capfd):
    capfd.readouterr()
    validate(training)
    return float(VALIDATED.search(capfd.readouterr().out)[1])


def test_it_is_the_mean_over_images_and_levels(training, capfd, monkeypatch):
    """Of squares, whatever the training's own loss is."""
    sums, levels = [], []

    def listen(family, model, batch, random, settings):
        loss = compute_loss(family, model, batch, random, settings)
        plain = compute_loss(family, model, batch, random, training.config.train.model_copy(update={"loss": "l2"}))
        assert loss == plain != compute_loss(family, model, batch, random, training.config.train)
        sums.append(loss.item() * len(batch))
        levels.extend(random.sigmas.tolist())
        return loss

    monkeypatch.setattr("trainer.validate.compute_loss", listen)
    assert measured(training, capfd) == pytest.approx(sum(sums) / len(levels), abs=6e-5)
    assert sorted(levels) == [level for level in (torch.arange(8) / 8 + 1 / 16).tolist() for _ in range(2)], "two images"


def test_it_is_that_of_the_average_and_leaves_no_trace(training, capfd):
    before = {name: weight.detach().clone() for name, weight in training.weights.items()}
    told = measured(training, capfd)
    assert all(torch.equal(before[name], weight) for name, weight in training.weights.items())
    assert measured(training, capfd) == told, "it can be repeated"
    training.ema = None
    assert measured(training, capfd) != told


@pytest.mark.parametrize("batch_size", [1, 3, 16])
def test_the_batch_size_does_not_change_it(small, make_run, capfd, batch_size):
    small["data"] |= {"batch_size": batch_size, "regularisation_images": 0}
    training = prepare(parse_config(small), make_run(small), None, Stop())
    told = measured(training, capfd)
    small["data"]["batch_size"] = 8
    assert told == pytest.approx(measured(prepare(parse_config(small), make_run(small), None, Stop()), capfd), abs=2e-4)


def test_nothing_is_told_without_held_out_images(small, make_run, capfd):
    small["data"]["validation_images"] = 0
    training = prepare(parse_config(small), make_run(small), None, Stop())
    capfd.readouterr()
    validate(training)
    assert "Validati" not in capfd.readouterr().out


def test_images_of_any_shape(small, make_run, make_folder, capfd):
    """Wide, tall and square ones held out together: each is measured in its own bucket."""
    folder = make_folder({"other.png": "one"}, size=(128, 80))
    for name, size in {"wide": (160, 64), "tall": (64, 160), "square": (96, 96)}.items():
        Image.new("RGB", size, (200, 80, 40)).save(folder / f"{name}.png")
    small["data"] |= {"folder": str(folder), "validation_images": 3, "regularisation_images": 0}
    training = prepare(parse_config(small), make_run(small, cached=False), None, Stop())
    shapes = {
        training.material.make_batch([show_held_out(training.config.data, item)]).latents.shape[2:]
        for item in training.images.held_out
    }
    assert len(shapes) == 3 and 0.1 < measured(training, capfd) < 10


def test_processes_share_it(small, make_run, learn, launch_command, capfd):
    """Two processes measure of three images what one does."""
    small["data"]["validation_images"] = 3
    small["train"]["epochs"] = 1
    small["sample"]["prompts"] = []
    capfd.readouterr()
    learn(small, "alone")
    alone = VALIDATED.findall(capfd.readouterr().out)
    folder = make_run(small, "shared")
    launched = subprocess.run(
        launch_command(2, "-m", "trainer", str(folder.config)), capture_output=True, text=True, timeout=120, check=True
    )
    shared = VALIDATED.findall(launched.stdout)
    assert [step for _, step in shared] == [step for _, step in alone] == ["0", "3"]
    assert [float(loss) for loss, _ in shared] == pytest.approx([float(loss) for loss, _ in alone], abs=3e-4)


def test_no_more_images_at_once_than_in_a_step(small, make_run, capfd, monkeypatch):
    small["train"]["accumulation"] = 4
    training = prepare(parse_config(small), make_run(small), None, Stop())
    sizes = set()

    def listen(family, model, batch, *more):
        sizes.add(len(batch))
        return compute_loss(family, model, batch, *more)

    monkeypatch.setattr("trainer.validate.compute_loss", listen)
    in_pieces = measured(training, capfd)
    assert sizes == {1}
    small["train"]["accumulation"] = 1
    whole = prepare(parse_config(small), make_run(small), None, Stop())
    assert in_pieces == pytest.approx(measured(whole, capfd), abs=2e-4) and sizes == {1, 4}
