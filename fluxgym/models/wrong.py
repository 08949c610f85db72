"""What went wrong between this machine and the Hub, in one sentence with what to do."""

import errno
from http import HTTPStatus

from fluxgym.models.token import TOKENS_PAGE, find_token

PAGE = "https://huggingface.co"
PASSING = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS}  # and all from 500 on
GOES_ON = "Trying again goes on from what is here."


class Refused(Exception):
    """A download that cannot go on by itself: its text says why and what to do."""


class BrokenOff(Exception):
    """An answer that ended before its time."""


def is_passing(error: Exception) -> bool:
    """Whether it may be gone in a moment: no connection, or a server with trouble of its own."""
    from huggingface_hub.errors import HfHubHTTPError, HTTPError

    if isinstance(error, HfHubHTTPError):
        return find_status(error) in PASSING or find_status(error) >= HTTPStatus.INTERNAL_SERVER_ERROR
    return isinstance(error, HTTPError | BrokenOff)


def find_status(error: Exception) -> int:
    """The HTTP status of an answer; 0 where none came."""
    return int(getattr(getattr(error, "response", None), "status_code", 0))


def explain(error: Exception, base: str) -> str:
    """One sentence about an error while a model was downloaded."""
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        HFValidationError,
        HTTPError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
    )

    if isinstance(error, Refused):
        return str(error)
    if isinstance(error, GatedRepoError):
        return _explain_gate(base)
    if isinstance(error, RepositoryNotFoundError | HFValidationError):
        seen = "or the account of the token here may not see it" if find_token() else "or it is private and needs a token"
        return f"There is no model {base} on the Hub, {seen}; expected owner/model as its page {PAGE}/{base} has it."
    if isinstance(error, OfflineModeIsEnabled):
        return "HF_HUB_OFFLINE is set, so nothing is downloaded: start the server without it."
    if isinstance(error, HfHubHTTPError) and find_status(error):
        return _explain_status(find_status(error), base)
    if isinstance(error, HTTPError | BrokenOff):
        return f"The Hub could not be reached ({_shorten(error)}): look at this machine's connection. {GOES_ON}"
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"The disk is full: free some room, or set HF_HOME to a folder on another disk. {GOES_ON}"
    if isinstance(error, OSError):
        return f"A file could not be written ({_shorten(error)}). {GOES_ON}"
    return f"It broke off: {_shorten(error)}. {GOES_ON}"


def _explain_gate(base: str) -> str:
    page = f"{PAGE}/{base}"
    if find_token() is None:
        return (
            f"{base} is given out to those only who accepted its licence, and there is no access token here: accept it at "
            f"{page}, make a token that can read at {TOKENS_PAGE}, and store it on the Models page or with: "
            "python -m fluxgym models token"
        )
    return (
        f"The account of the token here may not read {base}: accept its licence at {page} with that account, and where the "
        f"token is fine-grained, let it read gated models at {TOKENS_PAGE}."
    )


def _explain_status(status: int, base: str) -> str:
    if status == HTTPStatus.UNAUTHORIZED:
        return f"The Hub does not know the access token here: make another at {TOKENS_PAGE} and store it on the Models page."
    if status == HTTPStatus.FORBIDDEN:
        return f"The Hub refuses {base} to the access token here: let it read gated models at {TOKENS_PAGE}."
    if status == HTTPStatus.NOT_FOUND:
        return f"{base} is not on the Hub as it was listed there a moment ago. {GOES_ON}"
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return f"The Hub got too many requests from here: wait a few minutes. {GOES_ON}"
    return f"The Hub answers with an error of its own ({status}): wait a while. {GOES_ON}"


def _shorten(error: Exception) -> str:
    """Of the library's long texts the first line; of one without a text its kind."""
    text = str(error).strip().split("\n")[0]
    return text[:200] or type(error).__name__
