"""What a training needs, in words."""

import pytest

from fluxgym.preflight.disk import Need
from fluxgym.preflight.estimate import Estimate, Way
from fluxgym.preflight.expected import Expected
from fluxgym.view.needs_words import tell_more, tell_rows

GB = 2**30
NEED = Need(GB, 0, 0, 0, 33 * GB, 50 * GB, 50 * GB, True)
FITS = Estimate("cuda", Way(16 * GB, {}, "base in int8", 24 * GB), {}, 1, 1, 1e14)


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
    assert tell_rows(estimate, trouble, NEED, None)["Memory"] == told


def test_disk_and_time():
    rows = tell_rows(FITS, "", NEED, Expected(3120, 0.5, "before"))
    assert rows["Disk"] == "1.0 GiB + 33.0 GiB to download" and rows["Time of its steps"] == "about 52 m"
    assert tell_rows(FITS, "", NEED, None)["Time of its steps"] == "-"


def test_what_stands_behind_and_against_it():
    assert "base in int8" in tell_more("cuda", FITS, "", NEED, None)[0]
    assert "no GPU on this machine" in " ".join(tell_more("cpu", FITS, "", NEED, None))
    full = Need(GB, 0, 0, 0, 33 * GB, GB, GB, True)
    assert "33.0 GiB short" in " ".join(tell_more("cuda", FITS, "", full, None))
    small = Estimate("cuda", Way(16 * GB, {}, "base in nf4", 8 * GB), {}, 1, 1, 1.0)
    assert tell_more("cuda", small, "", NEED, None)[0].startswith("Memory may run out")
    assert "By the speed of before" in tell_more("cuda", FITS, "", NEED, Expected(1, 0.5, "before"))[-1]
