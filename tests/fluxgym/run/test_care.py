"""care.json: written and read back, and whatever is wrong with it means a default that stops nothing."""

import json

import pytest

from fluxgym.run.care import Care, read_care, write_care
from trainer.folder import RunFolder


def test_read_back_what_was_written(tmp_path):
    care = Care(False, "resume", True, 5, True, "0,1", False)
    write_care(RunFolder(tmp_path), care)
    assert read_care(RunFolder(tmp_path)) == care


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "[" * 100_000, '{"when_stalled": 3}', '{"place": "; rm"}'])
def test_a_damaged_file_means_the_defaults(tmp_path, text):
    folder = RunFolder(tmp_path)
    folder.care.write_text(text)
    assert read_care(folder) == Care()
    assert Care().when_stalled == "tell"


def test_a_choice_of_a_later_version_does_not_take_the_others_away(tmp_path):
    folder = RunFolder(tmp_path)
    folder.care.write_text(json.dumps({"version": 9, "when_stalled": "ask", "most_resumes": 7, "new": 1}))
    assert read_care(folder) == Care(most_resumes=7)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [({"when_stalled": "kill"}, "tell, stop, resume"), ({"most_resumes": 99}, "from 0 to 20"), ({"place": "gpu"}, "'0,1'")],
)
def test_a_wrong_choice_is_refused_with_the_choices(wrong, words):
    with pytest.raises(ValueError, match=words):
        Care(**wrong)
