"""The model card."""

import yaml

from fluxgym.publish.card import Card, Sample, make_card, name_sample

SETTINGS = {
    "model": {"base": "black-forest-labs/FLUX.1-dev"},
    "train": {"learning_rate": 1e-4, "epochs": 3},
    "lora": {"rank": 16},
}


def read(card):
    _, front, text = make_card(card).split("---\n", 2)
    return yaml.safe_load(front), text


def test_the_hub_can_read_it_whatever_is_in_it():
    nasty = 'a "robot": [x] | \n---\n# y'
    front, text = read(
        Card(f"my lora\n{nasty}", "me/my", "my.safetensors", nasty, SETTINGS, [Sample("images/sample_00.png", nasty)], 300)
    )
    assert front["base_model"] == "black-forest-labs/FLUX.1-dev" and front["base_model_relation"] == "adapter"
    assert front["license"] == "other" and front["license_name"] == "flux-1-dev-non-commercial-license"
    assert front["instance_prompt"] == nasty and front["widget"][0]["output"] == {"url": "images/sample_00.png"}
    assert "| Rank | 16 |" in text and "| Steps | 300 |" in text and "weight_name='my.safetensors'" in text
    assert "\n# y" not in text, "no text of a person begins a line"


def test_a_free_licence_is_told_as_the_hub_calls_it():
    front, text = read(Card("x", "me/x", "x.safetensors", "", {"model": {"base": "black-forest-labs/FLUX.1-schnell"}}, []))
    assert front["license"] == "apache-2.0" and "instance_prompt" not in front and "Trigger word" not in text


def test_a_base_on_this_machine_is_not_named_by_its_path():
    for base in ("/home/somebody/flux", "trainer/mini/flux-mini"):
        front, text = read(Card("x", "me/x", "x.safetensors", "", {"model": {"base": base}}, []))
        assert "base_model" not in front and base not in text
        assert "FLUX.1-dev" not in text, "what is not known is not guessed"


def test_a_sample_is_called_by_its_number():
    from pathlib import Path

    assert name_sample(Path("my secret run_e0001.PNG"), 3) == "images/sample_03.png"
