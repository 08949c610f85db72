"""How an attempt ended. `completed` is earned: exit code 0, the last step reached, and a new LoRA that is whole.

Everything else says what is missing. Where nobody saw the exit code, log and files decide, and the verdict says so.
"""

import signal
from dataclasses import dataclass, replace

from fluxgym.log.failures import find_failure
from fluxgym.log.history import History
from fluxgym.log.tail import tail
from fluxgym.run.lora_file import find_damage, find_problem
from fluxgym.run.record import MONITOR, PERSON, Attempt, Record, Verdict, stamp
from fluxgym.run.resuming import announced
from trainer.folder import RunFolder

LOOKED_AT, QUOTED, QUOTED_LENGTH = 200, 10, 300  # lines, lines, characters
KILLERS = (signal.SIGKILL, signal.SIGTERM, signal.SIGHUP)  # sent from outside; others tell of a crash
UNSEEN = "Nobody saw its exit code: its supervisor was gone."


@dataclass(frozen=True)
class Ending:
    """What was seen of the end of a training."""

    exit_code: int | None = None  # negative: the signal; None: nobody was there
    rebooted: bool = False  # it ran on a boot that is over, or on another machine
    host: str = ""  # of which nothing is heard any more, where that is not this machine
    memory_ran_out: bool = False  # the kernel ended a process of our container for that, while it ran
    disk_is_full: bool = False  # not even the log takes another line
    remains: int = 0  # processes that it left behind, which were ended


def judge(folder: RunFolder, record: Record, ending: Ending, history: History) -> Verdict:
    """The verdict on the last attempt, whose training has ended; `history` is that of its log."""
    lines, unread = _read_log(folder, history)
    return replace(_judge(folder, record, ending, history, (lines, unread)), nan_at=_find_nan(record.nan_at, history))


def _judge(folder: RunFolder, record: Record, ending: Ending, history: History, read: tuple[list[str], list[str]]) -> Verdict:
    attempt, (lines, unread) = record.attempts[-1], read
    step, total = history.step, history.total_steps
    where = f"at step {step:,} of {total:,}" if step is not None and total else "before the first step"
    missing = unread + find_missing(folder, record, ending, history)
    if not missing:
        return Verdict("completed", _completed(folder, record, ending, history), None, [], step, total)
    if ending.rebooted:
        who = f"Nothing is heard any more of {ending.host}, where it was" if ending.host else "The machine restarted"
        return Verdict("lost", f"{who} {where}.", None, missing, step, total)
    if _was_stopped(attempt, ending, lines):
        return Verdict("stopped", _tell_stop(record, ending, where), None, missing, step, total)
    kind, message = _find_cause(ending, missing, where, lines, announces=not record.any_command)
    if kind == "other" and history.nan_at is not None and ending.exit_code is not None and not find_failure(lines):
        kind = "nan"  # then the log tells the cause, though in no words
        message = f"The loss is not a number since step {history.nan_at:,}. It ended {where}, exit code {ending.exit_code}."
    quoted = [line[:QUOTED_LENGTH] for line in lines[-QUOTED:]]
    return Verdict("failed", message, kind, missing, step, total, quoted)


def _find_nan(before: int | None, history: History) -> int | None:
    """Since when the loss is no number, this attempt's or one `before` it, unless this one came past that step."""
    is_past = before is not None and history.has_begun and (history.step or 0) >= before
    return min((step for step in (None if is_past else before, history.nan_at) if step is not None), default=None)


def judge_unbegun(folder: RunFolder, record: Record) -> Verdict:
    """The verdict on an attempt that a person took out of the queue; it may have trained before it was put back there."""
    if len(record.attempts) == 1 and not record.attempts[-1].training:
        return Verdict("stopped", "Removed from the queue before it began.")
    history = History(folder.training_log, keep_curve=False)
    _read_log(folder, history)
    before = "before it went on" + (" by itself" if record.attempts[-1].begun_by == MONITOR else "")
    return Verdict("stopped", f"Removed from the queue {before}.", None, [], history.step, history.total_steps)


def _read_log(folder: RunFolder, history: History) -> tuple[list[str], list[str]]:
    """The last lines, and what is missing because the log cannot be read."""
    try:
        history.update()
        return last_lines(folder), []
    except OSError as error:
        return [], [f"the log cannot be read: {error}"]


def find_missing(folder: RunFolder, record: Record, ending: Ending, history: History) -> list[str]:
    """What stands between an attempt and `completed`, one sentence each."""
    missing = []
    stops_late = record.attempts[-1].stop and history.finished  # the stop met it on its way out, where nobody hears SIGTERM
    if ending.exit_code and not (stops_late and _signal_of(ending.exit_code) == signal.SIGTERM):
        missing.append(f"the exit code is {ending.exit_code}, expected 0")
    if ending.exit_code is None and not history.finished:
        missing.append("the log does not say that the training finished")
    if not history.total_steps or history.step is None:
        if not record.any_command:
            missing.append("the log shows no step")
    elif history.step < history.total_steps:
        missing.append(f"the last step was not reached: {history.step:,} of {history.total_steps:,}")
    if history.nan_at is not None:
        missing.append(f"the loss is not a number since step {history.nan_at:,}")
    return missing + (_find_damaged(record, history) if record.any_command else _find_lora_missing(folder, record.attempts[-1]))


def _find_lora_missing(folder: RunFolder, attempt: Attempt) -> list[str]:
    if not folder.lora.is_file():
        return [f"{folder.lora.name} is not there"]
    if stamp(folder.lora) == attempt.lora_before:
        return [f"{folder.lora.name} is older than this start"]
    problem = find_problem(folder.lora)
    return [f"{folder.lora.name} is damaged: {problem}"] if problem else []


def _find_damaged(record: Record, history: History) -> list[str]:
    """Files of another command that its log names and that are there, but not whole."""
    there = [path for path in announced(history, record) if path.suffix == ".safetensors" and path.is_file()]
    return [f"{path.name} is damaged: {problem}" for path in dict.fromkeys(there) if (problem := find_damage(path))]


def _completed(folder: RunFolder, record: Record, ending: Ending, history: History) -> str:
    """What was checked, and of another command also what was not."""
    note = f" {UNSEEN} Its log" if ending.exit_code is None else ""
    if not record.any_command:
        note = f"{note} and its LoRA are complete." if note else ""
        return f"All {history.total_steps:,} steps are done and {folder.lora.name} is whole.{note}"
    said = [f"All {history.total_steps:,} steps are done" if history.total_steps else "It ended without an error"]
    checked = [path for path in announced(history, record) if path.suffix == ".safetensors" and path.is_file()]
    unchecked = [] if history.total_steps else ["its log shows no steps"]
    if checked:
        said.append(f"and {checked[-1].name} is whole")
    else:
        unchecked.append("its log names no file that could be looked at")
    not_checked = f" Not checked: {' and '.join(unchecked)}." if unchecked else ""
    processes = "1 running process" if ending.remains == 1 else f"{ending.remains} running processes"
    left = f" It left {processes} behind, which FluxGym ended." if ending.remains else ""
    return f"{' '.join(said)}.{f'{note} is complete.' if note else ''}{left}{not_checked}"


def last_lines(folder: RunFolder) -> list[str]:
    """End of the training's log, of this attempt only."""
    lines = tail(folder.training_log, LOOKED_AT).lines
    begin = max((number for number, line in enumerate(lines, 1) if line.startswith("=== Attempt ")), default=0)
    return lines[begin:]


def _was_stopped(attempt: Attempt, ending: Ending, lines: list[str]) -> bool:
    """Ended because somebody asked: through us, or by a SIGTERM that the trainer answered with a state."""
    number = _signal_of(ending.exit_code)
    if attempt.stop:
        return ending.exit_code in (None, 0) or number in (signal.SIGTERM, signal.SIGKILL, signal.SIGINT)
    asked = ending.exit_code is None or number == signal.SIGTERM
    return asked and any(" Training stopped" in line for line in lines[-QUOTED:])


def _tell_stop(record: Record, ending: Ending, where: str) -> str:
    stop = record.attempts[-1].stop
    if not stop:
        return f"Stopped by a signal that did not come from FluxGym, {where}."
    who = {PERSON: "Stopped by you", MONITOR: "Stopped by the monitor"}.get(stop, "Stopped by the system")
    reason = record.health.reason.partition(". ")[0].rstrip(".") if stop == MONITOR else ""
    why = f": {reason[0].lower() if reason[1:2].islower() else reason[0]}{reason[1:]}" if reason else ""
    was_killed = _signal_of(ending.exit_code) == signal.SIGKILL
    return f"{who} {where}{why}.{' It did not answer in time and was killed.' if was_killed else ''}"


def _signal_of(code: int | None) -> int:
    """The signal that ended a process, also one that a shell or a launcher tells of as 128 + its number; 0: none."""
    number = -code if code and code < 0 else (code or 0) - 128
    return number if code and (code < 0 or number in set(signal.Signals)) else 0


def _find_cause(ending: Ending, missing: list[str], where: str, lines: list[str], announces: bool) -> tuple[str, str]:
    """Kind and message of a failure. A cause that the log names comes first, then the signal, then what is missing.

    `announces`: the trainer writes down what breaks it, as ours does."""
    found, code = find_failure(lines), ending.exit_code
    number = _signal_of(code)
    how = UNSEEN if code is None else f"Exit code {code}."
    if number:
        name = signal.Signals(number).name if number in set(signal.Signals) else "an unknown signal"
        how = f"Killed by signal {number} ({name})"
    says_nothing = not found or found.kind in ("other", "killed", "stopped")
    was_killed = number == signal.SIGKILL or code is None or (found is not None and found.kind == "killed")
    if ending.memory_ran_out and was_killed and says_nothing:
        return "host_oom", f"The machine's memory ran out, and the kernel ended the training {where}. {how.rstrip('.')}."
    if number in KILLERS and says_nothing:
        return "killed", f"{how} {where}."
    if found:
        return found.kind, f"{found.message.rstrip('.')}, {where}. {how.rstrip('.')}."
    if number:
        return "other", f"{how} {where}."
    if code == 0:
        return "other", f"The training ended with exit code 0, but {'; '.join(missing)}."
    if code is None and not announces:
        return "other", f"It ended {where}, and its log does not say how. {how}"
    if code is None:  # one that writes down what breaks it, and ends without a word, was ended from outside, mostly
        return "other", f"Its process vanished {where} without a word in the log, most likely killed. {how}"
    if ending.disk_is_full:
        return "no_space", f"Failed {where}. The disk is full, so its log cannot tell the cause. {how}"
    return "other", f"Failed {where}, the cause is not in the log. {how}"
