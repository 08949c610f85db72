"""What is said when something stands between this machine and the Hub. Real answers: test_fetch.py, test_download.py."""

import errno

import pytest
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, HTTPError, OfflineModeIsEnabled, RepositoryNotFoundError

from fluxgym.models.wrong import BrokenOff, Refused, explain, is_passing

BASE = "owner/model"


class Answer:
    """As much of an HTTP answer as is looked at."""

    def __init__(self, status):
        self.status_code, self.headers, self.request = status, {}, None


def answered(status, kind=HfHubHTTPError):
    return kind("an answer with the secret hf_abc in it", response=Answer(status))


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (Refused("As it is."), "As it is."),
        (answered(401, RepositoryNotFoundError), "or it is private and needs a token"),
        (HFValidationError("no"), "There is no model owner/model on the Hub"),
        (OfflineModeIsEnabled("off"), "HF_HUB_OFFLINE is set"),
        (answered(401), "does not know the access token here: make another at"),
        (answered(403), "let it read gated models"),
        (answered(404), "not on the Hub as it was listed"),
        (answered(429), "wait a few minutes"),
        (answered(502), "error of its own (502)"),
        (HTTPError("connect timeout\nand more"), "could not be reached (connect timeout)"),
        (OSError(errno.ENOSPC, "No space left on device"), "The disk is full"),
        (OSError(errno.EROFS, "Read-only file system"), "could not be written ([Errno 30] Read-only file system)"),
        (KeyError(), "It broke off: KeyError."),
    ],
)
def test_a_sentence_with_what_to_do(error, words):
    assert words in explain(error, BASE) and "hf_abc" not in explain(error, BASE)


def test_what_passes_by_itself():
    assert all(map(is_passing, (answered(503), answered(429), answered(408), HTTPError("no route"), BrokenOff("ended"))))
    assert not any(map(is_passing, (answered(404), answered(403), Refused("no"), OSError(errno.ENOSPC, "full"))))
