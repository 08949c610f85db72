"""Models of each kind, tiny and real, say what they see; what cannot be used says why."""

import shutil

import pytest
import torch

from tests.trainer import captioners
from tests.trainer.captioners import COLOURS, paint
from trainer import captioner
from trainer.captioner import Ask, Captioner, choose_device
from trainer.captioner_files import CaptionerError
from trainer.phrases import DETAILS

CPU = torch.device("cpu")
ALL = [paint(colour) for colour in COLOURS]


def load(folder, **ask):
    return Captioner(folder.name, folder, CPU, Ask(**ask))


def test_florence_says_of_each_image_what_it_shows(florence):
    model = load(florence)
    assert model.kind == "florence"
    assert model.describe(ALL) == ["a red square", "a green square", "a blue square"]
    assert model.describe([paint("blue", (300, 20)), ALL[0]]) == ["a blue square", "a red square"]


def test_florence_has_a_task_for_each_detail_and_takes_no_prompt(florence):
    assert [load(florence, detail=detail).prompt for detail in DETAILS] == list(captioner.TASKS.values())
    with pytest.raises(CaptionerError, match="leave the prompt out"):
        load(florence, prompt="what is it")


def test_an_answer_that_is_too_long_is_known_to_be_cut(florence):
    model = load(florence, max_tokens=3)
    assert model._is_cut([2, 1, 6, 7]) and not model._is_cut([2, 1, 6, 2])
    assert model.describe(ALL[:1]) != ["a red square"]


@pytest.mark.parametrize("make", [captioners.make_qwen, captioners.make_llava], ids=["qwen", "llava"])
def test_one_that_chats_is_asked_in_its_own_way(make, tmp_path):
    """Nothing of the prompt is in the answer, and images in one batch do not change each other's."""
    model = load(make(tmp_path / "chat"), prompt="what is image", max_tokens=6)
    assert model.kind == "chat"
    assert model.prompt.count("<image>") == 1 and "what is image" in model.prompt and "type" not in model.prompt
    different = [*ALL, paint("red", (20, 90))]
    together = model.describe(different)
    assert together == [model.describe([image])[0] for image in different]
    assert all(together) and not any("what is image" in text for text in together)


def test_a_template_that_knows_no_images_gets_one(tmp_path):
    template = captioners.PLAIN_CHAT.replace("<image>", "")
    model = load(captioners.make_llava(tmp_path / "chat", template), prompt="what is", max_tokens=4)
    assert model.prompt.startswith("<image>") and model.describe(ALL[:1])[0]


def test_blip_says_what_it_sees_or_completes_what_it_is_given(tmp_path):
    folder = captioners.make_blip(tmp_path / "blip")
    model = load(folder, max_tokens=4)
    assert model.kind == "plain" and all(model.describe(ALL))
    assert load(folder, prompt="a red", max_tokens=4).describe(ALL[:1])[0].startswith("a red ")


def test_what_is_no_captioner_says_so(florence, tmp_path):
    other = shutil.copytree(florence, tmp_path / "other")
    captioners.spoil_config(other, model_type="bert")
    with pytest.raises(CaptionerError, match="got a model of type bert, expected one that writes about images"):
        load(other)
    captioners.spoil_config(other, model_type="nonesuch")
    with pytest.raises(CaptionerError, match=r"its config\.json is none of a model that transformers knows"):
        load(other)
    captioners.spoil_config(other, model_type="florence2")
    for name in ("tokenizer.json", "tokenizer_config.json", "processor_config.json"):
        (other / name).unlink()
    with pytest.raises(CaptionerError, match="its processor cannot be loaded"):
        load(other)


def test_one_that_does_not_fit_is_not_begun_with(florence, monkeypatch):
    monkeypatch.setattr(captioner, "_free_memory", lambda: captioner.REST + 300_000)
    assert load(florence).dtype == torch.bfloat16
    monkeypatch.setattr(captioner, "_free_memory", lambda: captioner.REST + 100_000)
    with pytest.raises(CaptionerError, match="GB are free on this machine; stop what else runs there"):
        load(florence)


def test_a_device_that_is_not_there_is_told():
    assert choose_device("cpu").type == "cpu"
    if not torch.cuda.is_available():
        assert choose_device("auto").type == "cpu"
        with pytest.raises(ValueError, match="no usable GPU"):
            choose_device("cuda")
