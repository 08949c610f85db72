"""A shared run in a messenger: what is written beside its link, and the picture."""

import pytest
from PIL import Image

from fluxgym.run.opened import remember
from fluxgym.view import visitor_look
from fluxgym.view.preview import find_card, tell_card

from .runs import failed, make_run, overfitting, stamp, step_lines


@pytest.fixture(autouse=True)
def anew(monkeypatch):
    monkeypatch.setattr(visitor_look, "LASTS", 0.0)


def draw(folder, epoch, prompt, colour):
    folder.samples.mkdir(exist_ok=True)
    path = folder.samples / f"robot_e{epoch:06d}_{prompt:02d}_2026112410150{epoch}_42.png"
    Image.new("RGB", (640, 320), colour).save(path)
    return path


def test_the_title_says_which_run_its_state_and_how_far_it_is(outputs):
    folder = make_run(outputs / "robot", overfitting(3, 6, kept=()), failed(30, 30, "oom", "CUDA out of memory /home/alice"))
    assert tell_card(folder) == ("robot - Failed, epoch 3 of 3", "Out of GPU memory at step 30 of 30.")
    steps = make_run(outputs / "steps", step_lines(1, 20, 100), state="queued")
    assert tell_card(steps)[0] == "steps - Queued, step 20 of 100"
    fresh = make_run(outputs / "fresh", "", state="queued")
    assert tell_card(fresh)[0] == "fresh - Queued"


def test_of_an_opened_folder_nothing_but_its_name_is_told(outputs, tmp_path):
    path = tmp_path / "theirs"
    path.mkdir()
    (path / "train.log").write_text(f"{stamp(0)} from /home/alice\n" + step_lines(1, 20, 100))
    folder = remember(outputs / ".opened", path, path / "train.log")
    assert tell_card(folder) == ("theirs - Not known, step 20 of 100", "It was seen last at step 20 of 100.")


def test_the_card_is_the_first_prompt_as_it_was_drawn_last(outputs):
    folder = make_run(outputs / "robot", "")
    assert find_card(folder) is None
    draw(folder, 0, 0, "white")
    draw(folder, 1, 0, "red")
    draw(folder, 1, 1, "blue")
    card = find_card(folder)
    with Image.open(card) as image:
        assert (image.format, image.size) == ("JPEG", (640, 320))
        red, _, blue = image.getpixel((5, 5))
    assert (red > 200, blue < 50) == (True, True)


def test_while_the_last_one_is_being_written_the_one_before_is_shown(outputs):
    folder = make_run(outputs / "robot", "")
    draw(folder, 1, 0, "red")
    draw(folder, 2, 0, "blue").write_bytes(b"half")
    assert "e000001" in find_card(folder).name


def test_no_link_leads_out_of_the_run(outputs):
    folder = make_run(outputs / "robot", "")
    secret = outputs.parent / "secret.png"
    draw(folder, 1, 0, "red").rename(secret)
    (folder.samples / "robot_e000001_00_20261124101501_42.png").symlink_to(secret)
    assert find_card(folder) is None
