"""Which family a base model is of."""

import json

import pytest
import torch

from trainer import mini
from trainer.config import Model
from trainer.families import FAMILIES, choose_family, find_base
from trainer.model import ModelError


def test_by_the_class_of_its_pipeline(tmp_path):
    for family in FAMILIES:
        for pipeline in family.pipelines:
            (tmp_path / "model_index.json").write_text(json.dumps({"_class_name": pipeline}))
            assert choose_family("x", tmp_path) is family


def test_what_is_no_model_is_told_with_the_choices(tmp_path):
    for said in ("", "[]", '{"_class_name": "StableDiffusionXLPipeline"}'):
        (tmp_path / "model_index.json").write_text(said)
        with pytest.raises(ModelError, match=r"got the model class .*, expected FluxPipeline \(FLUX.1\)"):
            choose_family("x", tmp_path)


def test_a_base_is_opened_with_what_its_family_says(small):
    family = find_base(Model(base=str(mini.MODEL)), torch.device("cpu"))
    assert type(family) in FAMILIES and family.base.max_sequence_length == family.text_length(family.base.is_guided)
