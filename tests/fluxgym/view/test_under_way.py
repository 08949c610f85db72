"""What is said while a run waits, prepares and trains, and when that does not go well."""

import os
import time
from dataclasses import replace

import pytest

from fluxgym.log.history import History
from fluxgym.run.backend import Job
from fluxgym.run.care import RESUME, Care, write_care
from fluxgym.run.identity import Identity
from fluxgym.run.places import Place, Wish
from fluxgym.run.queue import OwnTicket, Ticket, Turn, find_turn, read_line
from fluxgym.run.record import MONITOR, NAN, SLOW, STALLED, Health, Record, read_record, write_record
from fluxgym.run.status import Status
from fluxgym.view.under_way import find_time_left
from trainer.folder import RunFolder

from .runs import NOW, RUNNING, failed, make_run, make_state, overfitting, stamp, step_lines, tell_run, validations


@pytest.mark.parametrize(
    ("losses", "sentence"),
    [
        ((), "Learning. There is no validation loss, so judge it by the samples."),
        ((0.9,), "Learning. The next validation tells whether it gets better."),
        ((0.9, 0.8, 0.85), "The validation loss did not fall the last time. Once says little, so let it run."),
        (
            (0.9, 0.8, 0.85, 0.84, 0.81),
            "The validation loss was lowest at step 1 and has not fallen for 3 validations, so look at the samples.",
        ),
    ],
)
def test_the_trend(tell, losses, sentence):
    assert tell(RUNNING, step_lines(1, 20, 100) + validations(*losses)).sentence.startswith(sentence)


def test_where_the_validation_loss_was_lowest(tell):
    begin = "The validation loss was lowest at epoch 6 and has not fallen for 3 validations"
    said = tell(RUNNING, overfitting(9, 6, kept={6, 8})).sentence
    assert said.startswith(f"{begin}: the LoRA of epoch 6 may be the better one, look at the samples.")
    near = f"{begin}: the LoRA of epoch 4, the nearest one saved, may be the better one, look at the samples."
    assert tell(RUNNING, overfitting(9, 6, kept={4, 8})).sentence.startswith(near)
    assert tell(RUNNING, overfitting(9, 6, kept=())).sentence.startswith(f"{begin}, so look at the samples.")


def test_what_is_done_before_the_first_step_is_no_learning(tell):
    log = f"{stamp(0)} Training: 100 steps, 10 epochs of 10 steps\n{stamp(0)} Sampling: 4 prompts at step 0\n"
    told = tell(RUNNING, log)
    assert (told.label, told.sentence) == ("Starting", "Drawing the first samples; the first step comes after them.")
    assert tell(RUNNING, f"{log}{stamp(1)} Epoch 1/10\n").sentence == "Making the first step."
    assert tell(RUNNING, f"{log}{stamp(1)} Epoch 1/10\n" + step_lines(1, 1, 100)).label == "Running"


def test_preparing_counts(tell):
    told = tell(RUNNING, f"{stamp(0)} Caching text embeddings: 3/17\n")
    assert (told.label, told.sentence) == ("Starting", "Encoding 17 captions and prompts, 14 to go.")
    assert tell(RUNNING, f"{stamp(0)} Loading text encoders: x\n").sentence == "Loading the text encoders."
    begun = tell(Status("starting", is_active=True))
    assert (begun.sentence, begun.progress, begun.progress_text) == ("The training process is starting.", 0.0, "No step yet")
    assert {value for _, value, _ in begun.metrics[:5]} == {"-"}


def test_a_loss_that_is_not_a_number(tell):
    told = tell(RUNNING, step_lines(1, 20, 100, loss=float("nan")))
    assert told.label == "Loss is NaN"
    assert told.sentence.startswith("The loss is not a number since step 1. What it learns from here on is lost. Stop it,")


def test_what_else_is_to_be_said_of_a_run_under_way(tell):
    unguarded = Status("running", message="Its supervisor is gone; the training goes on.", is_active=True)
    told = tell(unguarded, f"{stamp(0)} Caching text embeddings: 3/17\n").sentence
    assert told == "Encoding 17 captions and prompts, 14 to go. Its supervisor is gone; the training goes on."
    nameless = Status(None, message="Its run.json is gone. Its training is alive (process 7).", is_active=True)
    assert tell(nameless, step_lines(1, 20, 100)).sentence == nameless.message


QUEUED = Status("queued", since=NOW - 60, is_active=True)
STUCK = Health(STALLED, "No step for 9 m; the longest so far took 12 s. The GPU is idle.", NOW - 540)


@pytest.mark.parametrize(
    ("health", "left", "said"),
    [
        (STUCK, 3, "Nothing is done about it by itself: stop it, or wait."),
        (replace(STUCK, will="stop", acts_at=NOW + 360), 3, "It will be stopped in 6 m, and its state kept."),
        (replace(STUCK, will="resume", acts_at=NOW + 360), 3, "It will be stopped and resumed in 6 m."),
        (replace(STUCK, will="resume", acts_at=NOW - 1), 3, "It will be stopped and resumed now."),
        (
            replace(STUCK, will="resume", acts_at=NOW + 40),
            0,
            "It will be stopped in 40 s, and its state kept; it went on by itself as often as it may.",
        ),
    ],
)
def test_a_stalled_run_says_why_and_what_will_be_done(tell, health, left, said):
    told = tell(replace(RUNNING, health=health, resumes_left=left), step_lines(1, 20, 100))
    assert told.sentence == f"{STUCK.reason} {said}"


def test_of_a_run_that_hangs_no_end_and_no_step_is_promised(tell):
    log = step_lines(1, 20, 100)
    assert tell(RUNNING, log).metrics[0] == ("Time left", "3 m", None)
    assert tell(replace(RUNNING, health=STUCK), log).metrics[0] == ("Time left", "-", None)
    assert tell(replace(QUEUED, resumes_at=NOW + 10), log).metrics[0] == ("Time left", "-", None)
    stopping = tell(replace(RUNNING, state="stopping", health=STUCK, killed_at=NOW + 60), log)
    assert stopping.sentence.startswith("It makes no progress, so it may not answer: then it is killed in 1 m.")


def test_of_a_log_from_elsewhere_that_ended_long_ago_no_end_is_promised(tmp_path):
    log = tmp_path / "train.log"
    log.write_text(step_lines(1, 20, 100))
    history = History(log)
    history.update()
    assert find_time_left(Status(None), history) == history.eta_seconds == 160
    before = time.time() - 700
    os.utime(log, (before, before))
    history.update()
    assert find_time_left(Status(None), history) is None
    assert find_time_left(RUNNING, history) == 160
    slow = History(tmp_path / "slow.log")
    slow.path.write_text(step_lines(1, 20, 100, pace=60.0))
    os.utime(slow.path, (before, before))
    slow.update()
    assert find_time_left(Status(None), slow) == 4800, "ten minutes are ten of its steps"


def test_a_loss_that_is_no_number_and_what_will_be_done(tell):
    health = Health(NAN, "The loss is not a number since step 19.", NOW, "stop", NOW + 60)
    told = tell(replace(RUNNING, health=health), step_lines(1, 20, 100)).sentence
    lost = "What it learns from here on is lost."
    assert told == f"The loss is not a number since step 19. {lost} It will be stopped in 1 m, and its state kept."


def test_a_slow_run_says_why_and_when_it_ends(tell):
    slow = Health(SLOW, "3.1 times slower than at first: GPU memory is spilling into RAM.", NOW)
    told = tell(replace(RUNNING, health=slow), step_lines(1, 20, 100)).sentence
    assert told.startswith("3.1 times slower than at first: GPU memory is spilling into RAM. Ends about ")


@pytest.mark.parametrize(
    ("turn", "said"),
    [
        (Turn(2, 3, "GPU 0", "robot"), "Second in line for GPU 0, after robot."),
        (Turn(1, 1, "the first free GPU"), "First in line for the first free GPU."),
        (Turn(12, 12, "the CPU"), "Number 12 in line for the CPU."),
        (
            Turn(1, 1, "GPU 0", blocked_by="python (process 7) uses 20.0 GiB of 24.0 GiB of GPU 0."),
            "First in line for GPU 0. python (process 7) uses 20.0 GiB of 24.0 GiB of GPU 0. It starts when there is room.",
        ),
    ],
)
def test_a_queued_run_says_its_place(tell, turn, said):
    assert tell(replace(QUEUED, queue=turn)).sentence == said


def test_when_a_queued_run_starts_is_said_only_where_it_is_known(outputs, tell):
    holder = make_run(outputs / "robot", step_lines(1, 20, 100))
    record = read_record(holder)

    def hold(place):
        attempt = replace(record.attempts[0], places=[place])
        write_record(holder, replace(record, attempts=[attempt]))
        return tell(replace(QUEUED, queue=Turn(1, 1, "GPU 0", "robot"))).sentence

    assert hold("GPU 0") == "First in line for GPU 0, after robot.", "whether it still trains is not known"
    record = replace(record, supervisor=Identity.of(os.getpid()))
    assert hold("GPU 0") == "First in line for GPU 0, after robot. Starts in about 3 m."
    assert hold("GPU 1") == "First in line for GPU 0, after robot."
    second = tell(replace(QUEUED, queue=Turn(2, 2, "GPU 0", "robot"))).sentence
    assert second == "Second in line for GPU 0, after robot."


def test_a_pause_says_why_when_from_where_and_how_often(tmp_path):
    verdict = failed(212, 1520, "killed", "Killed by signal 9 (SIGKILL) at step 212 of 1,520.")
    folder = make_run(tmp_path / "a", step_lines(1, 212, 1520), verdict)
    make_state(folder, 190, 2)
    write_care(folder, Care(resume_after_crash=True))
    ended = read_record(folder)
    begun = replace(ended.attempts[0], number=2, verdict=None, begun_by=MONITOR, resumed_from="a-2-state")
    waits: Record = replace(ended, attempts=[*ended.attempts, begun], resumes_at=NOW + 3640)
    write_record(folder, waits.to("queued"))
    said = "The training was killed at step 212 of 1,520. It resumes by itself in 40 s, from the state of epoch 2; 1 of 3."
    assert tell_run(folder).sentence.startswith(said)


AGAIN = "=== Attempt 2, 2026-11-24 11:00:00, resumed from a-000002-state ===\n"


def test_a_resumed_run_that_loads_does_not_learn_yet(tell):
    """The step is then that of the attempt before, or of the state."""
    log = step_lines(1, 20, 100) + validations(0.9, 0.8, 0.7) + AGAIN + f"{stamp(90)} Loading text encoders: x\n"
    told = tell(RUNNING, log)
    assert (told.label, told.sentence) == ("Starting", "Loading the text encoders.")
    assert dict((name, value) for name, value, _ in told.metrics)["Pace"] == "-"
    log += f"{stamp(91)} Resuming: step 20 of 100\n{stamp(91)} Epoch 3/10\n"
    assert tell(RUNNING, log).label == "Starting"
    assert tell(RUNNING, log + step_lines(21, 21, 100)).label == "Running"


def test_of_a_start_the_log_of_the_attempt_before_tells_nothing(tell):
    assert tell(Status("starting", is_active=True), step_lines(1, 20, 100)).sentence == "The training process is starting."


def test_what_makes_no_steps_has_no_pace(tell):
    def pace(status):
        return tell(status, step_lines(1, 20, 100)).metrics[3]

    assert pace(RUNNING) == ("Pace", "2.00 s/step", None)
    waits = replace(QUEUED, resumes_at=NOW + 10)
    for status in (replace(RUNNING, health=STUCK), QUEUED, waits, Status("lost")):
        assert pace(status) == ("Pace", "-", None)
    assert tell(waits).label == "Resumes soon"
    assert tell(replace(QUEUED, resumes_at=NOW - 10)).label == "Queued"


def test_the_loss_says_that_it_is_no_number(tell):
    log = step_lines(1, 20, 100) + step_lines(21, 22, 100, loss=float("nan"))
    assert tell(RUNNING, log).metrics[1] == ("Loss, epoch mean", "NaN", None)
    assert tell(RUNNING, log + step_lines(23, 23, 100)).metrics[1][1] == "0.5000"


def test_a_run_that_ended_makes_no_step_any_more(tell):
    assert tell(Status("completed")).progress_text == "No steps in its log"
    assert tell(Status("failed")).progress_text == "No steps in its log"


@pytest.mark.parametrize(
    ("losses", "sentence"),
    [
        ((0.5, 0.6), "The validation loss did not fall the last time. Once says little, so let it run."),
        ((0.5, 0.6, 0.7), "Worse than the base model since it began: stop it, and try a lower learning rate."),
        ((0.5, 0.8, 0.7), "Still worse than the base model; but the validation loss fell the last time, so let it run."),
    ],
)
def test_the_base_model_is_no_candidate(tell, losses, sentence):
    assert tell(RUNNING, step_lines(1, 20, 100) + validations(*losses)).sentence.startswith(sentence)


def test_what_is_different_in_another_command(tell):
    """It keeps no state that we know of, has no learning rate that we can change, and that it began anew is soon old."""
    other = replace(RUNNING, is_ours=False, message="The command is started again from its beginning.")
    log = step_lines(1, 20, 100)
    assert "started again" not in tell(other, log).sentence
    assert tell(replace(other, state="starting"), log).sentence.endswith(other.message)
    stuck = tell(replace(other, health=replace(STUCK, will="stop", acts_at=NOW + 360)), log)
    assert stuck.sentence == f"{STUCK.reason} It will be stopped in 6 m."
    assert (
        tell(replace(other, state="stopping", killed_at=NOW + 60), log).sentence
        == "Asked to end. It is killed in 1 m if it does not."
    )
    nan = tell(other, step_lines(1, 20, 100, loss=float("nan"))).sentence
    assert nan.endswith("Stop it, and start it again with a lower learning rate.")


@pytest.mark.parametrize(("when_stalled", "then"), [(RESUME, ", then resumed from step 10"), ("stop", "")])
def test_a_stop_by_the_monitor_says_who_why_when_and_what_then(tmp_path, when_stalled, then):
    folder = make_run(tmp_path / "a", step_lines(1, 20, 100), state="stopping", health=STUCK)
    make_state(folder, 10, 1)
    write_care(folder, Care(when_stalled=when_stalled))
    record = read_record(folder)
    alive = Identity.of(os.getpid())
    write_record(folder, replace(record.to("stopping", stop=MONITOR), supervisor=alive, killed_at=NOW + 3720))
    said = f"Stopped by the monitor after 9 m without a step. It is killed in 2 m if it does not answer{then}."
    assert tell_run(folder).sentence == said


def test_in_the_line_a_run_is_after_the_one_before_it(outputs, tell, tmp_path):
    """`tell` tells of the folder tmp_path; only who wants the same place is before it."""
    zero, one = (Wish((Place(f"GPU {number}", f"GPU-{number}"),), False) for number in (0, 1))
    tickets = []
    for order, (path, wish) in enumerate(((outputs / "before", zero), (outputs / "other", one), (tmp_path, zero))):
        tickets.append(OwnTicket(RunFolder(path), order + 1))
        assert tickets[-1].say(Ticket(str(path.resolve()), wish))
    assert len(read_line()) == 3
    told = tell(replace(QUEUED, queue=find_turn(RunFolder(tmp_path)))).sentence
    for own in tickets:
        own.give_back(for_good=True)
    assert told == "Second in line for GPU 0, after before."


def test_at_the_end_no_0_seconds_are_left(tell):
    assert tell(RUNNING, step_lines(1, 100, 100)).metrics[0] == ("Time left", "almost done", None)


def test_a_pause_of_another_command_says_the_beginning_once(tmp_path):
    verdict = failed(59, 300, "killed", "Killed by signal 9 (SIGKILL) at step 59 of 300.")
    folder = make_run(tmp_path / "a", step_lines(1, 59, 300), verdict, command=["python", "x.py"], any_command=True)
    ended = read_record(folder)
    note = "The command is started again from its beginning."
    begun = replace(ended.attempts[0], number=2, verdict=None, training=None, begun_by=MONITOR, note=note)
    write_record(folder, replace(ended, attempts=[*ended.attempts, begun], resumes_at=NOW + 3640).to("queued"))
    told = tell_run(folder)
    assert told.label == "Resumes soon"
    assert told.sentence.startswith(
        "The training was killed at step 59 of 300. It resumes by itself in 40 s, from the beginning;"
    )
    assert note not in told.sentence


def test_a_job_of_a_cluster_says_why_it_waits_and_where_it_runs(tell):
    waiting = Status("queued", job=Job("4711", "PENDING", "QOSMaxJobsPerUserLimit", is_live=True), is_active=True)
    assert tell(waiting).sentence.startswith("Waiting as job 4711. You have as many jobs as its QOS allows")
    job = Job("4711", "RUNNING", nodes="gpu-3", ends=NOW + 3 * 3600, is_live=True)
    log = step_lines(1, 20, 40)
    said = tell(replace(RUNNING, job=job), log).sentence
    assert said.startswith("Learning.") and said.endswith("Job 4711 on gpu-3, 3 h left of its time limit.")
    short = tell(replace(RUNNING, job=replace(job, ends=NOW + 1)), log).sentence
    assert "it saves its state before the end, and goes on in its next job" in short
    asleep = tell(replace(RUNNING, job=replace(job, state="SUSPENDED")), log).sentence
    assert asleep == "Slurm has suspended job 4711 on gpu-3: it goes on when its nodes are free again."
    begins = tell(Status("starting", job=job, is_active=True)).sentence
    assert begins == "The training process is starting. Job 4711 on gpu-3, 3 h left of its time limit."
