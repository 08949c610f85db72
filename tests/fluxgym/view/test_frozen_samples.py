"""Samples inside of a page: their pixels and nothing else, in a size that a mail takes, the first and the last always."""

import base64
import io
import re

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from fluxgym.view import frozen_samples
from fluxgym.view.frozen_samples import plan_samples, tell_count, write_samples
from trainer.folder import RunFolder

PICTURE = re.compile(r'src="data:image/webp;base64,([^"]*)"')


@pytest.fixture
def folder(tmp_path):
    """A run with two prompts, the second hostile."""
    made = RunFolder(tmp_path / "robot")
    made.samples.mkdir(parents=True)
    made.config.write_text('[sample]\nprompts = ["a robot", "<b>/srv/planted/x</b> \\"&"]\n')
    return made


def draw(folder, epoch, prompt=0, size=(96, 64)):
    said = PngInfo()
    said.add_text("parameters", "planted")
    path = folder.samples / f"robot_e{epoch:06d}_{prompt:02d}_2026112410{epoch:04d}_42.png"
    Image.new("RGB", size, (epoch, 0, 0)).save(path, pnginfo=said)
    return path


def draw_noise(folder, epoch, side):
    """A picture of which each byte counts."""
    Image.effect_noise((side, side), 90).convert("RGB").save(draw(folder, epoch))


def read_pictures(html):
    return [Image.open(io.BytesIO(base64.b64decode(data))) for data in PICTURE.findall(html)]


def write(folder, tell=str):
    return "".join(write_samples(folder, plan_samples(folder), tell))


def test_pictures_are_whole_and_without_what_their_maker_wrote(folder):
    draw(folder, 0)
    draw(folder, 1)
    html = write(folder)
    pictures = [base64.b64decode(data) for data in PICTURE.findall(html)]
    assert [Image.open(io.BytesIO(data)).size for data in pictures] == [(96, 64)] * 2
    assert not any(b"planted" in data or b"EXIF" in data or b"XMP" in data for data in pictures)
    assert html.count("no picture") == 2
    assert tell_count(plan_samples(folder)) == "2 samples of 2 prompts"


def test_prompts_are_text_and_may_be_redacted(folder):
    draw(folder, 0, 1)
    html = write(folder, lambda text: text.replace("/srv/planted", "..."))
    assert "&lt;b&gt;.../x&lt;/b&gt; &quot;&amp;" in html
    assert "<b>" not in html and "planted" not in html


def test_too_many_bytes_are_made_fewer(folder, monkeypatch):
    for epoch in range(3):
        draw_noise(folder, epoch, 700)
    whole = len(write(folder))
    assert plan_samples(folder).note == ""
    monkeypatch.setattr(frozen_samples, "BUDGET", whole // 3)
    plan = plan_samples(folder)
    assert (plan.side < 700, len(plan.columns), plan.note) == (True, 3, f"at most {plan.side} px")
    assert {max(each.size) for each in read_pictures(write(folder))} == {plan.side}
    assert len(write(folder)) < whole // 2


def test_too_many_columns_leave_the_first_and_the_last(folder, monkeypatch):
    for epoch in range(8):
        draw_noise(folder, epoch, 390)
    monkeypatch.setattr(frozen_samples, "BUDGET", len(write(folder)) // 4)
    plan = plan_samples(folder)
    assert plan.side == frozen_samples.SIDES[-1]
    assert 2 <= len(plan.columns) <= 4
    assert [plan.columns[0].number, plan.columns[-1].number] == [0, 7]
    assert tell_count(plan).startswith(f"{len(plan.columns)} samples of 2 prompts; {len(plan.columns)} of 8 epochs")
    monkeypatch.setattr(frozen_samples, "BUDGET", 1)
    assert len(plan_samples(folder).columns) == 2


def test_what_is_no_picture_is_left_empty(folder, tmp_path):
    draw(folder, 0)
    draw(folder, 1).write_bytes(b"not whole")
    outside = tmp_path / "outside.png"
    Image.new("RGB", (8, 8)).save(outside)
    path = folder.samples / "robot_e000002_00_20261124100002_42.png"
    path.symlink_to(outside)
    assert len(PICTURE.findall(write(folder))) == 1


def test_a_run_without_samples(folder):
    plan = plan_samples(folder)
    assert (plan.columns, tell_count(plan)) == ([], "0 samples of 2 prompts")
