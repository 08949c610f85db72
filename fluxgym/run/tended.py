"""The health of a training under way: looked at every few seconds, kept in run.json, and told when it changes.

What is to be done when it is stuck is the person's choice (care.json, read anew at each look). It is announced in run.json
before it is done, so that whoever reads the page can still choose otherwise. All is measured by the monotonic clock; the times
in run.json are for people.
"""

import time
from dataclasses import replace

from fluxgym.run.care import STOP, TELL, Care, read_care
from fluxgym.run.evidence import Evidence
from fluxgym.run.guarded import Guarded
from fluxgym.run.record import NAN, STALLED, WELL, Health, Record
from fluxgym.run.stacks import write_stacks
from fluxgym.run.stall import Finding, Judge
from fluxgym.run.tell import tell

LOOK_EVERY, EVIDENCE_EVERY = 5.0, 30.0  # s
READ_FOR = 0.5  # s of a look; a log that grows faster than it is read must not keep us from hearing a stop
ACT_AFTER = 60.0  # s at least from the verdict to what is done then
SAME_TIME = 2.0  # s; what is to be done at a time that moved less is not announced anew
FACTOR = "FLUXGYM_STALL_FACTOR"  # multiplies all limits and delays


class Tended:
    """The training of one attempt, as long as it runs. After each look() `must_stop` says whether it is to be stopped now."""

    def __init__(self, run: Guarded, record: Record) -> None:
        self.run, self.must_stop = run, False
        self._factor = run.number(FACTOR, 1.0)
        self.look_every = LOOK_EVERY * min(1.0, max(self._factor, 0.01))
        self.next_look = self._next_evidence = time.monotonic()
        self._judge = Judge(self._factor, announces=not record.any_command)
        self._evidence: Evidence | None = None
        self._verdict = WELL  # of the last look
        self._acts_at: float | None = None  # monotonic
        self._trouble = ""
        self._is_written = True

    def look(self, record: Record) -> Record:
        """The record with the training's health as it is now, which is written where it changed."""
        now = time.monotonic()
        self.next_look = now + self.look_every
        try:
            is_due = now >= self._next_evidence
            if is_due:
                self._next_evidence = now + EVIDENCE_EVERY * self.look_every / LOOK_EVERY
                self._gather(record)
            self.run.monitor.history.update(READ_FOR)
            if record.state == "running":
                record = self._judge_health(record, now, is_due)
            if is_due and self._evidence:
                self.run.monitor.note_evidence(record, self._evidence)
            self._trouble = ""
        except Exception as error:  # a courtesy: whatever is wrong with it must not end the care for the training
            trouble = f"no evidence: {type(error).__name__}: {error}"
            if trouble != self._trouble:
                self.run.note(trouble)
            self._trouble = trouble
        return record

    def _gather(self, record: Record) -> None:
        self._evidence = None
        self._evidence = self.run.monitor.gather(record.attempts[-1], self.run.family(record))

    def _judge_health(self, record: Record, now: float, is_due: bool) -> Record:
        care = read_care(self.run.folder)
        finding = self._judge.look(now, self.run.monitor.history, self._evidence)
        if finding.verdict != self._verdict and not is_due:  # no other verdict on an old evidence
            self._gather(record)
            finding = self._judge.look(now, self.run.monitor.history, self._evidence)
        self._verdict = finding.verdict
        health = self._health(record.health, finding, care, now)
        if _is_news(record.health, health, is_due) or not self._is_written:
            before, record = record.health, replace(record, health=health)
            self._is_written = self.run.write(record)
            if health.verdict != before.verdict:
                self._announce(record, before, care)
        self.must_stop = self._acts_at is not None and now >= self._acts_at
        if self.must_stop:
            self._write_stacks(record)
        return record

    def _health(self, old: Health, finding: Finding, care: Care, now: float) -> Health:
        if not care.monitor:
            self._acts_at = None
            return Health() if old.verdict != WELL else old
        if finding.verdict == WELL and old.verdict != WELL and (finding.reason or not self._judge.progressed):
            self._acts_at = None
            return replace(old, will="", acts_at=None)  # perhaps another supervisor's; whether it goes on is not known
        since = old.since if finding.verdict == old.verdict else time.time()
        if finding.verdict not in (STALLED, NAN) or care.when_stalled == TELL:
            self._acts_at = None
            return Health(finding.verdict, finding.reason, since)
        if self._acts_at is None:
            self._acts_at = now + max(ACT_AFTER * self._factor, finding.limit)
        will = STOP if finding.verdict == NAN else care.when_stalled  # resumed as it was, the loss would only be lost again
        return Health(finding.verdict, finding.reason, since, will, time.time() + self._acts_at - time.monotonic())

    def _announce(self, record: Record, before: Health, care: Care) -> None:
        health, step = record.health, self.run.monitor.history.step
        where = f"at step {step:,}" if step is not None else "before the first step"
        self.run.note(f"health {health.verdict}, {where}{f': {health.reason}' if health.reason else ''}")
        if health.verdict in (STALLED, NAN):
            tell(self.run.folder, health.verdict)
        elif before.verdict in (STALLED, NAN) and care.monitor:
            tell(self.run.folder, "recovered")
        if health.verdict == STALLED:
            self._write_stacks(record)

    def _write_stacks(self, record: Record) -> None:
        write_stacks(self.run.folder, self.run.family(record), self.run.note, may_ask=not record.any_command)


def _is_news(old: Health, new: Health, is_due: bool) -> bool:
    """Whether it is worth a new run.json. The seconds in a reason grow all the time: that is written now and then."""
    moved = abs((old.acts_at or 0.0) - (new.acts_at or 0.0)) > SAME_TIME
    return (old.verdict, old.will) != (new.verdict, new.will) or moved or (is_due and old.reason != new.reason)
