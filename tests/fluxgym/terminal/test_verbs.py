"""The choices of care on a command line."""

import argparse

import pytest

from fluxgym.run.care import Care
from fluxgym.terminal.verbs import add_care, read_care_options


def said(*arguments, before=None):
    parser = argparse.ArgumentParser()
    add_care(parser)
    return read_care_options(parser.parse_args(arguments), before)


def test_what_is_not_given_stays():
    assert said() == Care()
    before = Care(monitor=False, when_stalled="stop", most_resumes=7, place="1")
    assert said(before=before) == before
    assert said("--place", "none", before=before) == Care(monitor=False, when_stalled="stop", most_resumes=7, place="none")


def test_all_of_them():
    given = ["--place", "0,1", "--when-stalled", "resume", "--resume-after-crash", "--most-resumes", "5", "--step-down"]
    assert said(*given, "--no-monitor") == Care(False, "resume", True, 5, True, "0,1")


def test_what_is_not_possible_is_named():
    with pytest.raises(ValueError, match="place: got 'GPU', expected 'auto', 'none', 'slurm', or numbers of GPUs such as '0'"):
        said("--place", "GPU")
    with pytest.raises(ValueError, match="most_resumes: got 99, expected a whole number from 0 to 20"):
        said("--most-resumes", "99")
