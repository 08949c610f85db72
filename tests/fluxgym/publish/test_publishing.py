"""What can be published, and what is said where it cannot."""

import pytest

from fluxgym.publish.publishing import NotPublished, Wish, check, find_prompt, find_sample, list_published, suggest_samples


def test_the_final_lora_comes_first(folder):
    assert [lora.path.name for lora in list_published(folder)] == ["robot.safetensors", "robot-000001.safetensors"]


def test_a_picture_for_each_prompt(folder):
    found = suggest_samples(folder, list_published(folder)[0])
    assert [place.rpartition("/")[2][:18] for place, _ in found] == ["robot_e000002_00_2", "robot_e000002_01_2"]
    assert found[0][1] == find_prompt(folder, found[0][0]) == "a sks robot | on [a] hill"
    assert find_sample(folder, found[0][0]).is_file() and find_sample(folder, "../config.toml") is None


def test_no_picture_of_another_lora_or_of_the_base_model(folder):
    for picture in list(folder.samples.iterdir()):
        picture.rename(picture.with_name(picture.name.replace("e000002", "e000000")))
    assert [suggest_samples(folder, lora) for lora in list_published(folder)] == [[], []]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"repository": "a b"}, "expected a name such as my-lora"),
        ({"repository": "../x"}, "expected a name such as my-lora"),
        ({"repository": ""}, "expected a name such as my-lora"),
        ({"lora": "../../x.safetensors"}, "which this run does not have"),
        ({"samples": ("share.json",)}, "which this run does not have"),
    ],
)
def test_wishes_that_cannot_be(folder, hub, changes, said):
    with pytest.raises(NotPublished, match=said):
        check(folder, Wish(**({"lora": "robot.safetensors", "repository": "x"} | changes)))


def test_a_lora_that_is_cut_off_is_not_published(folder, hub):
    folder.lora.write_bytes(folder.lora.read_bytes()[:-10])
    with pytest.raises(NotPublished, match="is not whole"):
        check(folder, Wish("robot.safetensors", "x"))


def test_without_a_token_it_says_where_to_get_one(folder, hub, monkeypatch):
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(NotPublished, match="make one that can write at https://"):
        check(folder, Wish("robot.safetensors", "x"))
