"""Why a training ended: each signature, and words that must not be taken for one."""

import pytest

from fluxgym.log.failures import find_failure

BAR = "steps:  14%|#4        | {}/1520 [07:31<46:12,  2.12s/it, loss=0.3000, avr_loss=0.3000, lr=2e-04]"
TRACE = ["Traceback (most recent call last):", '  File "train.py", line 3, in <module>', "    raise Something"]
LAUNCHER = "subprocess.CalledProcessError: Command '['/usr/bin/python', 'CUDA out of memory.py']' "


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 18.00 MiB. GPU 0 has", "oom"),
        ("torch.cuda.OutOfMemoryError: CUDA out of memory. Tried to allocate 18.00 MiB.", "oom"),
        ("[rank0]: torch.OutOfMemoryError: CUDA out of memory.", "oom"),
        ("[2024-09-15 01:12:55] [INFO] torch.OutOfMemoryError: CUDA out of memory.", "oom"),
        ("RuntimeError: CUDA error: out of memory", "oom"),
        ("MemoryError", "oom"),
        ("RuntimeError: [enforce fail at alloc_cpu.cpp:114] DefaultCPUAllocator: can't allocate memory: you tried", "oom"),
        ("2026-11-24 10:15:30 ERROR the loss became nan at step 7", "nan"),
        (LAUNCHER + "died with <Signals.SIGKILL: 9>.", "killed"),
        ("ERROR:torch.distributed.elastic.multiprocessing.api:failed (exitcode: -9) local", "killed"),
        ("E0915 01:12:55.12 140 torch/distributed/elastic/api.py:833] failed (exitcode: -9) local_rank: 0", "killed"),
        ("  exitcode  : -9 (pid: 1234)", "killed"),
        ("train.sh: line 30: 12345 Killed                  accelerate launch", "killed"),
        ("Terminated", "killed"),
        ("train.sh: line 30: 12345 Terminated              accelerate launch", "killed"),
        ("Fatal Python error: Segmentation fault", "other"),
        ("Segmentation fault (core dumped)", "other"),
        ("train.sh: line 30: 12345 Segmentation fault      (core dumped) accelerate launch", "other"),
        ("terminate called after throwing an instance of 'c10::DistBackendError'", "other"),
        ("  what():  CUDA error: an illegal memory access was encountered", "cuda"),
        ("  what():  CUDA out of memory. Tried to allocate 2.00 GiB", "oom"),
        ("FileNotFoundError: [Errno 2] No such file or directory: 'nan.png'", "missing_file"),
        ("safetensors_rust.SafetensorError: Error while deserializing header: HeaderTooLarge", "missing_file"),
        ("2026-11-24 10:15:30 ERROR c.toml cannot be read: [Errno 2] No such file or directory: 'c.toml'", "missing_file"),
        ("RuntimeError: CUDA error: device-side assert triggered", "cuda"),
        ("torch.AcceleratorError: CUDA error: an illegal memory access was encountered", "cuda"),
        ("RuntimeError: cuDNN error: CUDNN_STATUS_NOT_SUPPORTED", "cuda"),
        ("[rank0]:[E1124 10:15:00 ProcessGroupNCCL.cpp:616] Watchdog caught collective operation timeout: WorkNCCL(S", "nccl"),
        ("torch.distributed.DistBackendError: NCCL error in: x.cpp:1", "nccl"),
        ("2026-11-24 10:15:06 Training stopped at step 123 of 300: resume from outputs/a/a-step00000123-state", "stopped"),
        ("2026-11-24 10:15:06 Training stopped before its first step: nothing was lost", "stopped"),
        ("KeyboardInterrupt", "stopped"),
        (LAUNCHER + "returned non-zero exit status 1.", "other"),
        (LAUNCHER + "returned non-zero exit status 137.", "killed"),
        ("[2024-09-15 01:12:55] [ERROR] Command exited with code 1", "other"),
        ("2026-11-24 10:15:30 ERROR the dataset has no image: expected .png", "other"),
    ],
)
def test_each_signature(line, kind):
    failure = find_failure([BAR.format(211), BAR.format(212), line])
    assert failure is not None
    assert failure.kind == kind
    assert failure.message in line


@pytest.mark.parametrize(
    "line",
    [
        "2026-11-24 10:15:02 Saving sample: outputs/a/CUDA out of memory.png",
        "2026-11-24 10:15:02 caption: RuntimeError: CUDA error: it is a painting",
        "2026-11-24 10:15:02 Loading captions: nan, torch.OutOfMemoryError: CUDA out of memory",
        "2026-11-24 10:15:02 WARNING the caption of nan.png is empty",
        "INFO     the file Killed.png is fine",
        "Terminated by the censor, Segmentation fault in the rock, Aborted landing",
        "Segmentation fault in the rock",
        "terminate called: a poster",
        "grandmother, nan, killed by kindness",
        "Command exited with code 0",
        "2026-11-24 10:15:02 Training finished",
    ],
)
def test_words_that_are_no_failure(line):
    assert find_failure([BAR.format(211), line]) is None


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


def test_any_text_is_survived():
    assert find_failure(["", "\x00", "\udc80", "Traceback (most recent call last):", "x" * 100_000]) is None
