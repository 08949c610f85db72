"""What to do about each kind of failure."""

import pytest

from fluxgym.log.remedies import DOWNLOAD, LOWER_RATE, REMEDIES, RESUME, SMALLER, find_remedy, is_worth_retrying
from fluxgym.log.signatures import ERROR_SIGNATURES, SIGNATURES

NEVER = "bad_image damaged_file driver gated missing_file missing_package nan no_kernel no_space oom shared_memory stopped"
NEVER += " wrong_setting"


def test_each_kind_that_a_log_can_tell_has_a_remedy():
    told = {signature.kind for signature in [*SIGNATURES, *ERROR_SIGNATURES]}
    assert told == REMEDIES.keys()


@pytest.mark.parametrize("kind", REMEDIES)
def test_each_says_what_it_is_and_what_to_do(kind):
    remedy = find_remedy(kind)
    assert remedy.title[0].isupper() and remedy.title[-1] != "." and len(remedy.title) <= 40
    assert remedy.fix[0].isupper() and remedy.fix[-1] == "." and remedy.fix.count(". ") <= 1
    assert remedy.action in ("", SMALLER, LOWER_RATE, DOWNLOAD, RESUME)


def test_only_what_may_be_gone_is_tried_again():
    assert sorted(kind for kind in REMEDIES if not is_worth_retrying(kind)) == NEVER.split()


def test_of_an_unknown_kind_nothing_is_claimed():
    assert find_remedy("of a later version") == find_remedy(None) == REMEDIES["other"]
