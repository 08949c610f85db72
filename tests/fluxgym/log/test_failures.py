"""Why a training ended: what stays of several lines that say so, and what is forgotten."""

from fluxgym.log.failures import find_failure

BAR = "steps:  14%|#4        | {}/1520 [07:31<46:12,  2.12s/it, loss=0.3000, avr_loss=0.3000, lr=2e-04]"
TRACE = ["Traceback (most recent call last):", '  File "train.py", line 3, in <module>', "    raise Something"]
LAUNCHER = "subprocess.CalledProcessError: Command '['/usr/bin/python', 'CUDA out of memory.py']' "


def test_the_cause_is_kept_when_launchers_complain():
    cause = "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 576.00 MiB."
    failure = find_failure([*TRACE, cause, *TRACE, LAUNCHER + "returned non-zero exit status 1."])
    assert (failure.kind, failure.message) == ("oom", cause)


def test_the_cause_is_kept_when_the_process_breaks_down():
    thrown = ["terminate called after throwing an instance of 'c10::Error'", "  what():  CUDA error: misaligned address"]
    assert find_failure([*thrown, "Fatal Python error: Aborted", "Aborted (core dumped)"]).kind == "cuda"
    assert find_failure([*TRACE, "ValueError: a", *thrown[:1], "Segmentation fault"]).message == "ValueError: a"
    died = find_failure(["Fatal Python error: Segmentation fault", *TRACE, LAUNCHER + "died with <Signals.SIGSEGV: 11>."])
    assert died.message == "Fatal Python error: Segmentation fault"


def test_the_last_line_of_a_traceback_names_an_unknown_failure():
    failure = find_failure(
        ["ERROR no xformers", *TRACE, "mypkg.OddError: it broke", *TRACE, LAUNCHER + "returned non-zero exit status 1."]
    )
    assert (failure.kind, failure.message) == ("other", "mypkg.OddError: it broke")
    chained = find_failure(
        [
            *TRACE,
            "KeyError: 'a'",
            "",
            "During handling of the above exception, another exception occurred:",
            "",
            *TRACE,
            "ValueError: b",
        ]
    )
    assert chained.message == "ValueError: b"


def test_a_failure_is_forgotten_after_a_step_or_a_new_attempt_but_not_when_a_bar_is_drawn_again():
    oom = "torch.OutOfMemoryError: CUDA out of memory."
    assert find_failure([BAR.format(211), oom, BAR.format(211)]).kind == "oom"
    assert find_failure([BAR.format(211), oom, BAR.format(212)]) is None
    assert find_failure([BAR.format(211), oom, "=== Attempt 2, 2026-11-24 10:20:00 ==="]) is None


def test_a_destructor_that_fails_harms_nothing():
    ignored = ["Exception ignored in: <function X.__del__ at 0x7f>", *TRACE, "TypeError: 'NoneType' object is not callable"]
    assert find_failure(ignored) is None
    assert find_failure([*ignored, *TRACE, "ValueError: real"]).message == "ValueError: real"


def test_a_failure_is_forgotten_in_the_next_epoch_whose_bar_begins_anew():
    bar = "step:  50%|##### | {}/8 [00:06<00:06,  1.50s/it, loss=0.5, smooth loss=0.5]"
    error = "torch.OutOfMemoryError: CUDA out of memory."
    assert find_failure([bar.format(7), error, bar.format(7)]).kind == "oom"
    assert find_failure([bar.format(7), error, bar.format(1)]) is None


def test_what_a_tool_goes_on_without_is_no_failure():
    said = [*TRACE, "OSError: [Errno 28] No space left on device"]
    assert find_failure(said).kind == "no_space"
    assert find_failure([*said, "Error during sampling, proceeding without sampling"]) is None


def test_a_traceback_may_stand_behind_the_message_of_a_line():
    lines = ["[ERROR] Failed to run training: it broke, traceback: Traceback (most recent call last):", *TRACE[1:]]
    assert find_failure([f"2024-08-16 17:22:14,705 {lines[0]}", *lines[1:], "mypkg.OddError: it broke"]).message == (
        "mypkg.OddError: it broke"
    )


def test_any_text_is_survived():
    assert find_failure(["", "\x00", "\udc80", "Traceback (most recent call last):", "x" * 100_000]) is None
