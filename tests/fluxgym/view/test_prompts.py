"""Prompts, seeds and the trigger word, of the settings of several tools."""

import pytest

from fluxgym.view.prompts import read_prompts, read_trigger, settings_stamp
from tests.small_training import write_lora
from trainer.folder import RunFolder

TOOLKIT = """
job: extension
config:
  name: my_lora
  process:
    - trigger_word: p3r5on
      sample:
        seed: 42
        walk_seed: true
        prompts: ["[trigger] in snow", "a cat"]
"""


@pytest.fixture
def folder(tmp_path):
    return RunFolder(tmp_path)


def test_ours(folder):
    folder.config.write_text('trigger = "sks"\n[sample]\nprompts = ["[trigger] in snow", "a cat"]\nseed = 7\n')
    assert read_prompts(folder) == [("sks in snow", 7), ("a cat", 8)]
    assert read_trigger(folder) == "sks"


def test_options_behind_a_prompt_are_no_text(folder):
    more = folder.path / "more.txt"
    more.write_text("a dog --d 3\n")
    folder.config.write_text(f'[sample]\nprompts = ["a cat --w 512 --d 9", "x --zz"]\nprompts_file = "{more}"\nseed = 7\n')
    assert read_prompts(folder) == [("a cat", 9), ("x --zz", 8), ("a dog", 3)]


def test_of_kohya(folder):
    (folder.path / "sample_prompts.txt").write_text("# seeds\na robot --w 512 --d 42\n\na cat\n")
    assert read_prompts(folder) == [("a robot", 42), ("a cat", None)]
    assert read_trigger(folder) == ""


def test_of_ai_toolkit(folder):
    (folder.path / "config.yaml").write_text(TOOLKIT)
    assert read_prompts(folder) == [("p3r5on in snow", 42), ("a cat", 43)]
    assert read_trigger(folder) == "p3r5on"
    newer = TOOLKIT.replace('prompts: ["[trigger] in snow", "a cat"]', 'samples: [{prompt: "a dog", seed: 5}, {prompt: "b"}]')
    (folder.path / "config.yaml").write_text(newer.replace("walk_seed: true", "walk_seed: false"))
    assert read_prompts(folder) == [("a dog", 5), ("b", 42)]


def test_yaml_that_stands_for_a_billion_words(folder):
    levels = "".join(
        f"{after}: &{after} [{', '.join(9 * [f'*{one}'])}]\n" for one, after in zip("abcdefgh", "bcdefghi", strict=True)
    )
    (folder.path / "config.yaml").write_text(f"a: &a [lol, lol]\n{levels}config: {{process: [{{sample: {{prompts: *i}}}}]}}\n")
    assert read_prompts(folder) == []


@pytest.mark.parametrize("name", ["config.toml", "config.yaml"])
@pytest.mark.parametrize("text", ["", "[", "a: [", "config: {process: []}", "!!python/object/apply:os.abort []", "\0", "7"])
def test_what_cannot_be_read_says_nothing(folder, name, text):
    (folder.path / name).write_text(text)
    assert read_prompts(folder) == []
    assert read_trigger(folder) == ""


def test_the_file_tells_the_trigger_where_no_settings_do(folder, tmp_path):
    write_lora(tmp_path / "a-000004.safetensors", metadata={"modelspec.trigger_phrase": "sks robot"})
    assert read_trigger(folder) == "sks robot"


def test_other_settings_are_noticed(folder):
    before = settings_stamp(folder)
    folder.config.write_text("")
    assert settings_stamp(folder) != before
