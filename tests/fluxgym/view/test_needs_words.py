"""What a training needs, in words."""

import pytest

from fluxgym.preflight.disk import Need
from fluxgym.preflight.estimate import Estimate, Question, Way
from fluxgym.preflight.expected import Expected
from fluxgym.view.needs_words import Needs, tell_more, tell_rows

GB = 2**30
NEED = Need(GB, 0, 0, 0, 33 * GB, 50 * GB, 50 * GB, True)
FITS = Estimate("cuda", Way(16 * GB, {}, "base in int8", 24 * GB), {}, 1, 1, 1e14)


def needs(estimate, trouble="", device="cuda", disk=NEED, expected=None):
    return Needs(Question(None, (512, 512), device, None), estimate, trouble, disk, expected)


@pytest.mark.parametrize(
    ("estimate", "trouble", "told"),
    [
        (FITS, "", "16.0 GiB of 24.0 GiB"),
        (None, "", "being estimated"),
        (None, "nobody knows", "-"),
        (Estimate("cuda", None, {}, 1, 1, 1.0), "", "-"),
    ],
)
def test_memory(estimate, trouble, told):
    assert tell_rows(needs(estimate, trouble))["Memory"] == told


def test_disk_and_time():
    rows = tell_rows(needs(FITS, expected=Expected(3120, 0.5, "before")))
    assert rows["Disk"] == "1.0 GiB + 33.0 GiB to download" and rows["Time of its steps"] == "about 52 m"
    assert tell_rows(needs(FITS))["Time of its steps"] == "-"


def test_what_stands_behind_and_against_it():
    assert "base in int8" in tell_more(needs(FITS))[0]
    assert "no GPU on this machine" in " ".join(tell_more(needs(FITS, device="cpu")))
    full = Need(GB, 0, 0, 0, 33 * GB, GB, GB, True)
    assert "33.0 GiB short" in " ".join(tell_more(needs(FITS, disk=full)))
    small = Estimate("cuda", Way(16 * GB, {}, "base in nf4", 8 * GB), {}, 1, 1, 1.0)
    assert tell_more(needs(small))[0].startswith("Memory may run out")
    told = tell_more(needs(FITS, expected=Expected(1, 0.5, "before")))[-1]
    assert "By the speed of before" in told and "samples and saving come on top" in told
    assert "not known: nobody knows" in tell_more(needs(None, "nobody knows"))[0]


def test_of_a_job_neither_memory_nor_speed_of_this_machine_count():
    presets = {"24": Way(20 * GB, {}, "base as it is", 22 * GB), "12": Way(9 * GB, {}, "base in nf4", 11 * GB)}
    asked = Question(None, (512, 512), "cuda", None)
    open_way = Needs(asked, Estimate("cuda", None, presets, 1, 1, 1e14), "", NEED, None, is_job=True)
    assert tell_rows(open_way)["Memory"] == "a GPU of 12 GB" and "trained here" not in " ".join(tell_more(open_way))
    on_a_cpu = Needs(Question(None, (512, 512), "cpu", None), FITS, "", NEED, None, is_job=True)
    assert tell_rows(on_a_cpu)["Memory"] == "16.0 GiB" and "Its job asks for no GPU" in " ".join(tell_more(on_a_cpu))
