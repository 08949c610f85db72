"""What a person is told of an event: how the run is in one sentence, what can be done, the last lines, the newest sample."""

from pathlib import Path

from fluxgym.log.history import get_history
from fluxgym.log.tail import tail
from fluxgym.notify.send import Message
from fluxgym.run.folders import log_of
from fluxgym.run.status import read_status
from fluxgym.view.sample_names import list_pictures
from fluxgym.view.summary import summarise
from fluxgym.view.thumbnails import thumbnail
from trainer.folder import RunFolder

LINES, LINE, SENTENCES = 10, 110, 600  # lines of the log, characters of each, characters before them: Discord takes 2,000
PICTURE = 5 * 2**20  # bytes; services refuse larger ones
TITLES = {
    "completed": "completed",
    "failed": "failed",
    "lost": "lost",
    "stopped": "stopped",
    "stalled": "makes no progress",
    "nan": "the loss is not a number",
    "recovered": "goes on",
    "resumed": "was resumed",
}


def compose(folder: RunFolder, event: str) -> Message:
    """The message on an event, as the run's folder tells it now. Raises ValueError where there is no such event."""
    if event not in TITLES:
        raise ValueError(f"got the event {event!r}, expected one of {', '.join(TITLES)}")
    try:
        said, lines, picture = _sentences(folder), _last_lines(folder), newest_picture(folder)
    except Exception as error:  # the title alone is news enough: no trouble with the rest may keep it back
        said, lines, picture = f"No more can be told: {type(error).__name__}.", [], None
    body = "\n".join([said, "", *lines] if lines else [said])
    return Message(f"{folder.name}: {TITLES[event]}", body, event, picture)


def newest_picture(folder: RunFolder) -> Path | None:
    """The sample that was drawn last; a small one in its place where it is large."""
    drawn = list_pictures(folder)
    if not drawn:
        return None
    newest = max(drawn, key=lambda picture: (picture.time, -picture.prompt)).path
    return newest if newest.stat().st_size <= PICTURE else thumbnail(folder, newest)


def _sentences(folder: RunFolder) -> str:
    history = get_history(log_of(folder))
    history.update()
    summary = summarise(folder, read_status(folder), history)
    said = " ".join(filter(None, (summary.sentence, summary.next_step)))
    return _cut(f"{said}\n{summary.progress_text}.", SENTENCES)


def _last_lines(folder: RunFolder) -> list[str]:
    return [_cut(line, LINE) for line in tail(log_of(folder), LINES).lines]


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 4]} ..."
