"""What the tests of the making share: the font, or a skip that says so; and every step, once, in miniature.

The small steps use toys only, which are drawn in code, so that they need no font."""

import random

import pytest
import torch

from trainer.mini.make import autoencoder, distill, pretrain, subjects
from trainer.mini.make.fitting import Recipe
from trainer.mini.make.parts import Work
from trainer.mini.make.pictures import Amounts, draw_pictures
from trainer.mini.make.words import make_words

SMALL = Amounts(per_pair=0, toys=4, doodles=40, loose_toys=40, loose_glyphs=0)


def few_steps(steps: int, rate: float = 2e-3) -> Recipe:
    return Recipe(steps, rate, warmup=3, decay=0.5, beta2=0.98, weight_decay=0.0, memory=0.5)


@pytest.fixture
def font():
    """Skips where the emoji font is not installed."""
    if not subjects.FONT.is_file():
        pytest.skip(f"needs {subjects.FONT} (Debian: fonts-noto-color-emoji)")


@pytest.fixture(scope="package")
def with_words(tmp_path_factory):
    """A work folder after step 1; each further fixture does one more step in it."""
    work = Work(tmp_path_factory.mktemp("work"))
    make_words(work)
    return work


@pytest.fixture(scope="package")
def with_pictures(with_words):
    draw_pictures(with_words, SMALL)
    return with_words


@pytest.fixture(scope="package")
def with_latents(with_pictures):
    autoencoder.make_autoencoder(with_pictures, few_steps(10), few_steps(3, 1e-3))
    return with_pictures


@pytest.fixture(scope="package")
def with_pretrained(with_latents):
    """The work folder, and the losses of pretraining."""
    return with_latents, pretrain.pretrain(with_latents, few_steps(15))


@pytest.fixture(scope="package")
def with_distilled(with_pretrained):
    """The work folder, and the losses of the distillation."""
    work, _ = with_pretrained
    return work, distill.distill(work, few_steps(3))


@pytest.fixture(autouse=True, scope="package")
def one_thread():
    """Parts this small gain nothing from a second thread, and lose much where the cores are busy."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def fixed_chance():
    torch.manual_seed(0)
    random.seed(0)
