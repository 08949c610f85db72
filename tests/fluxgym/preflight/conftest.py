"""A small data set and settings for it, on flux-mini; no GPU is asked for."""

import pytest
from PIL import Image

from trainer.config import Config, load_config, parse_config
from trainer.mini import DEMO


@pytest.fixture
def images(tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    for number, size in enumerate([(96, 96), (200, 100), (96, 96)]):
        Image.effect_noise(size, 60 + number).convert("RGB").save(folder / f"{number}.png")
        (folder / f"{number}.txt").write_text(f"a robo on a shelf {number}")
    return folder


@pytest.fixture
def make(outputs, images):
    """make(**{"train.epochs": 3}): the demo's settings on these images, changed."""

    def make(**changes) -> Config:
        values = load_config(DEMO).model_dump(exclude_none=True)
        values["name"], values["data"]["folder"], values["trigger"] = "mine", str(images), "robo"
        values["data"]["validation_images"] = 0
        for key, value in changes.items():
            *sections, name = key.split(".")
            place = values
            for section in sections:
                place = place[section]
            place[name] = value
        return parse_config(values)

    return make
