"""What the verbs share: exit codes, how a run is told, and following its log."""

import shutil
import sys
import time
from collections.abc import Callable, Iterator

from fluxgym.log.follow import Follower
from fluxgym.run.folders import shown_path
from fluxgym.run.launch import look_after, wait_for_end
from fluxgym.run.status import Status
from trainer.folder import RunFolder

DONE, FAILED, WRONG_USE, INTERRUPTED = 0, 1, 2, 130
LOOK_EVERY = 0.2  # s, while following
PATIENT = 10 * 365 * 86400.0  # s; a wait without an end


def wait(folder: RunFolder) -> int:
    """Prints the log until the run has ended. Ctrl-C ends the waiting, not the run."""
    try:
        for line in follow(Follower(folder.training_log), lambda: look_after(folder).is_active):
            print(line, flush=True)
    except KeyboardInterrupt:
        print(f"The run goes on. Stop it with: python -m fluxgym stop {folder.name}")
        raise
    status = wait_for_end(folder, PATIENT)
    print(sentence(folder, status), file=sys.stdout if status.state == "completed" else sys.stderr)
    return DONE if status.state == "completed" else FAILED


def follow(follower: Follower, is_active: Callable[[], bool]) -> Iterator[str]:
    """Lines as they come, until the run has ended and all of them are read; the last one may have no end."""
    active = True
    while active:
        active = is_active()  # before reading, so that the last lines are read after the end
        chunk = follower.read()
        if chunk.restarted:
            print("fluxgym: the log was cut or replaced; it goes on with the new one", file=sys.stderr, flush=True)
        yield from chunk.lines
        if active:
            time.sleep(LOOK_EVERY)
    yield from follower.rest()


def shown(name: str) -> str:
    """A folder of another tool may be called anything: nothing in its name may move the cursor or break the line."""
    return name if name.isprintable() else ascii(name)


def print_table(rows: list[list[str]]) -> None:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    room = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    for row in rows:
        print("  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()[:room])


def sentence(folder: RunFolder, status: Status) -> str:
    from fluxgym.view.ended import STARTS_AGAIN

    quoted = "".join(f"\n    {line}" for line in status.last_lines)
    back = f" Resume goes on from {status.resumable.path.name}." if status.resumable else ""
    if status.can_restart:
        back = " Nothing was saved; resume begins at the beginning." if status.is_ours else f" {STARTS_AGAIN}"
    where = f" {shown_path(folder.path)}" if status.is_active else ""
    turn = ""
    if status.queue:
        before = status.queue.before or status.queue.holder
        behind = f", behind {shown(before)}" if before else ""
        turn = f" {status.queue.position} of {status.queue.total} in line for {status.queue.wish}{behind}."
        turn += f" {status.queue.blocked_by}" if status.queue.blocked_by else ""
    return f"{folder.name}: {status.state}.{where}{turn} {status.message}".rstrip() + back + quoted
