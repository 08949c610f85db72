"""The process that publishes: `python -m fluxgym.publish.upload <run's folder> --lora FILE --to NAME`.

Its last line says why it failed. The token is read where the Hub's own tools keep it, and is said nowhere."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

os.environ["HF_HUB_DISABLE_XET"] = "1"  # before the library is imported: over plain HTTP it can be seen how far it is

from fluxgym.access.redact import Redactor
from fluxgym.log.history import get_history
from fluxgym.models.token import TOKENS_PAGE, TokenRefused, ask_owner, find_token
from fluxgym.models.wrong import find_status
from fluxgym.publish.card import Card, Sample, make_card, name_sample
from fluxgym.publish.publishing import NotPublished, Wish, check, find_prompt, find_sample
from fluxgym.publish.sent_file import SentFile
from fluxgym.run.folders import log_of
from fluxgym.run.settings import Settings, SettingsError, read_settings
from trainer.folder import RunFolder
from trainer.progress import Progress

CARD, HUB = "README.md", "https://huggingface.co"
FRESH = {".gitattributes"}  # all that a repository holds that was just made


def publish(folder: RunFolder, wish: Wish) -> str:
    """The address of what was published. Raises NotPublished, and what the Hub's library does."""
    from huggingface_hub import CommitOperationAdd, HfApi

    check(folder, wish)
    token = find_token()
    assert token, "check says so otherwise"
    api = HfApi(endpoint=os.environ.get("HF_ENDPOINT"), token=token.secret)
    owner, _, name = wish.repository.rpartition("/")
    repository = f"{owner or ask_owner(token.secret)}/{name}"
    _make(api, repository, wish)
    lora = folder.path / wish.lora
    settings = _read_settings(folder)
    redactor = Redactor(folder, filter(None, [str(settings.get("trigger", ""))]))  # the trigger is told on purpose
    card = _card(folder, wish, repository, settings, redactor)
    progress = Progress("bytes", lora.stat().st_size)
    with SentFile(lora, redactor, progress) as file:
        given: Any = file  # a stream of ours is one, though it is not typing's BinaryIO
        operations = [CommitOperationAdd(lora.name, given), CommitOperationAdd(CARD, card)]
        operations += [CommitOperationAdd(said.name, path) for said, path in _samples(folder, wish)]
        file.is_sent = True
        api.create_commit(repository, operations, commit_message=f"Add {lora.name}")
    url = f"{os.environ.get('HF_ENDPOINT') or HUB}/{repository}"
    progress.tell(file.size)
    progress.give(url=url, repository=repository, is_public=wish.is_public)
    return url


def _make(api: Any, repository: str, wish: Wish) -> None:
    from huggingface_hub.errors import HfHubHTTPError

    try:
        api.create_repo(repository, private=not wish.is_public, exist_ok=False)
    except HfHubHTTPError as error:
        if find_status(error) != 409:
            raise
        _compare_visibility(api, repository, wish)
        held = set(api.list_repo_files(repository)) - FRESH
        if held and not wish.adds:
            raise NotPublished(
                f"there is a repository {repository} already: choose another name, or have it added to what is there, which "
                f"replaces its {CARD}"
            ) from None


def _compare_visibility(api: Any, repository: str, wish: Wish) -> None:
    """What is there stays as visible as it is, so a LoRA that nobody was to see must not go where everybody looks."""
    is_public = not api.model_info(repository).private
    if is_public and not wish.is_public:
        raise NotPublished(
            f"everybody may see what is in {repository}, and this was to be private: choose another name, or say that "
            "everybody may see it"
        )
    if wish.is_public and not is_public:
        raise NotPublished(
            f"only you may see what is in {repository}, and this was to be public: choose another name, or publish it "
            "privately and make the repository public on the Hub"
        )


def _read_settings(folder: RunFolder) -> Settings:
    try:
        return read_settings(folder)
    except SettingsError:  # of another tool
        return {}


def _card(folder: RunFolder, wish: Wish, repository: str, settings: Settings, redactor: Redactor) -> bytes:
    """What people wrote is looked through; names that are published stay as they are, or the card's code would not run."""
    told = {**redactor.data(settings), "model": settings.get("model", {})}
    said = [Sample(sample.name, redactor.text(sample.prompt)) for sample, _ in _samples(folder, wish)]
    steps = get_history(log_of(folder)).total_steps
    card = Card(redactor.text(folder.title), repository, Path(wish.lora).name, str(told.get("trigger", "")), told, said, steps)
    return make_card(card).encode()


def _samples(folder: RunFolder, wish: Wish) -> list[tuple[Sample, Path]]:
    found = [(place, path) for place in wish.samples if (path := find_sample(folder, place))]
    return [(Sample(name_sample(path, at), find_prompt(folder, place)), path) for at, (place, path) in enumerate(found)]


def explain(error: Exception) -> str:
    """One sentence with what to do. Holds nothing that was sent."""
    from huggingface_hub.errors import HfHubHTTPError, HTTPError, OfflineModeIsEnabled

    if isinstance(error, OfflineModeIsEnabled):
        return "HF_HUB_OFFLINE is set, so nothing is published: start the server without it."
    if isinstance(error, HfHubHTTPError) and (status := find_status(error)):
        match status:
            case 401:
                return f"The Hub does not know the access token that is here: store another one, from {TOKENS_PAGE}."
            case 403:
                return f"The access token that is here may not write there: make one that can at {TOKENS_PAGE}, and store it."
            case 404:
                return "The Hub knows no account of that name, or the token may not see it: look in front of the slash."
        return f"The Hub answered {status}. Nothing is lost; trying again sends only what is not there yet."
    if isinstance(error, HTTPError):
        return f"The Hub could not be reached ({type(error).__name__}): look at this machine's connection, and try again."
    if isinstance(error, NotPublished | TokenRefused | OSError):
        return str(error)
    return f"It broke off: {type(error).__name__}. Nothing is lost; try again."


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m fluxgym.publish.upload")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--lora", required=True)
    parser.add_argument("--to", required=True)
    parser.add_argument("--public", action="store_true")
    parser.add_argument("--add", action="store_true")
    parser.add_argument("--sample", action="append", default=[])
    options = parser.parse_args(arguments)
    wish = Wish(options.lora, options.to, options.public, tuple(options.sample), options.add)
    try:
        print(f"Published: {publish(RunFolder(options.folder), wish)}")
    except Exception as error:  # whatever the library raises is told in a sentence, and not with what it holds
        print(explain(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
