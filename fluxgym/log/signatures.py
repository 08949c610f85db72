"""The table of failures: which line of a log names which cause. A trainer's or a library's words are one row each.

Rows look at whole lines from their beginning, so that a caption or a file name with such words in it is no failure. The first
row that fits counts: the narrower one stands first. A file or image that a line names is its `subject`.
"""

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Signature:
    """`weight`: of two causes in one log the weightier stays."""

    kind: str
    weight: int
    pattern: re.Pattern[str]


EXIT, ERROR_LINE, EXCEPTION, KNOWN, BEHIND = range(1, 6)  # weights; BEHIND: what is behind a known failure, said after it

ERROR = r"(?:[\w.]+\.)?"  # the package before the name of an exception
RUNTIME = ERROR + r"(?:RuntimeError|AcceleratorError): "
THROWN = r" *what\(\): +"  # of a C++ exception that nobody caught
SHELL = r"(?:\S+: line \d+: +\d+ )?"  # bash of a job that a signal ended
LAUNCHER = r"(?:subprocess\.)?CalledProcessError: .* "
ELASTIC = r"(?:E\d{4} .*\] |[\w.]+:)?failed \(exitcode: "
WORKER = r"(?:RuntimeError: )?DataLoader worker \(pid(?:\(s\))? [\d, ]+\) is killed by signal: "
ARGPARSE = r"(?:\S{1,200}\.py|accelerate [a-z]{1,20}|python -m \S{1,100}): error: "
CONTAINER = r"RuntimeError: (?:\[enforce fail at inline_container\.cc:\d+\] \. )?"  # of a checkpoint in torch's own format
NAMED = r"(?:: '(?P<subject>[^']+)'(?: -> .*)?)?$"  # the file in an OSError
ACCESS_VIOLATION = 3221225477  # exit code on Windows: of a model's loading, when memory and page file are full

SIGNATURES = [
    Signature(kind, weight, re.compile(pattern))
    for kind, weight, pattern in (
        ("stopped", KNOWN, r"Training stopped (?:at step \d|before its first step)"),
        ("stopped", KNOWN, r"KeyboardInterrupt$"),
        ("stopped", KNOWN, r" *Stop signal received; terminating process\. *$"),  # ai-toolkit's
        ("stopped", KNOWN, r"(?:Exception: )?Job stopped$"),
        ("stopped", KNOWN, r"Aborting training run\.$"),  # SimpleTuner's
        ("stopped", KNOWN, LAUNCHER + r"died with <Signals\.SIGINT: 2>"),
        # memory of the GPU
        ("oom", KNOWN, ERROR + r"OutOfMemoryError(?:: |$)"),
        ("oom", KNOWN, RUNTIME + r"(?:CUDA|HIP|XPU|MPS backend) out of memory"),
        ("oom", KNOWN, RUNTIME + r"CUDA (?:driver )?error: (?:out of memory|CUBLAS_STATUS_ALLOC_FAILED)"),
        ("oom", KNOWN, RUNTIME + r"cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
        ("oom", KNOWN, THROWN + r"CUDA (?:out of memory|error: out of memory)"),
        ("oom", KNOWN, r"(?:RuntimeError: |Error running job: )?OOM during training step \d+ times in a row"),
        ("oom", KNOWN, r"(?:Error running job: )?CUDA out of memory\. Tried to allocate "),
        ("oom", BEHIND, r"Cuda failure (?:\d+ )?'out of memory'$"),  # of NCCL
        # memory of the machine
        ("host_oom", KNOWN, ERROR + r"(?:_Array)?MemoryError(?:: |$)"),
        ("host_oom", KNOWN, r"RuntimeError: .*DefaultCPUAllocator: (?:can't allocate|not enough) memory"),
        (
            "host_oom",
            KNOWN,
            r"RuntimeError: unable to mmap \d+ bytes from file <(?!/torch_)(?P<subject>.+)>: Cannot allocate memory \(12\)",
        ),
        ("host_oom", KNOWN, r"OSError: \[Errno 12\] Cannot allocate memory"),
        ("host_oom", KNOWN, ERROR + r"(?:OSError|SafetensorError): (?:\[WinError 1455\] |.*\(os error 1455\)$)"),
        ("host_oom", KNOWN, THROWN + r"std::bad_alloc$"),
        ("host_oom", KNOWN, WORKER + r"Killed"),
        ("host_oom", KNOWN, r"slurmstepd: error: Detected \d+ oom[-_]kill event"),
        ("host_oom", KNOWN, LAUNCHER + rf"returned non-zero exit status {ACCESS_VIOLATION}\.?$"),
        ("host_oom", KNOWN, rf"Command exited with code {ACCESS_VIOLATION}$"),
        ("nan", KNOWN, r"the loss became (?:nan|-?inf)\b"),
        ("nan", KNOWN, r"(?:RuntimeError: )?Training loss became NaN"),
        # signals from outside
        ("killed", KNOWN, LAUNCHER + r"died with <Signals\.SIG(?:KILL|TERM|HUP): \d+>"),
        ("killed", KNOWN, LAUNCHER + r"returned non-zero exit status (?:137|143)\.?$"),
        ("killed", KNOWN, ELASTIC + r"-(?:9|15|1)\)"),
        ("killed", KNOWN, r" *(?:exitcode|traceback) *: (?:-(?:9|15|1) \(pid: |Signal (?:9|15|1) \()"),
        ("killed", KNOWN, SHELL + r"(?:Killed|Terminated)(?:$| {2,}\S)"),
        ("killed", KNOWN, r"Command exited with code (?:-9|-15|137|143)$"),
        ("killed", KNOWN, r"Rank \d+ of \d+, on \S+, was killed by signal (?:9|15|1) \("),  # trainer/ranks.py
        ("other", EXIT, r"srun: (?:error|fatal): "),
        ("nccl", ERROR_LINE, r"another process of this training is gone: "),  # said by those that wait for it
        # shared memory, before the disk: it is full in the same words
        (
            "shared_memory",
            KNOWN,
            r"RuntimeError: unable to open shared memory object <[^>]+> in read(?:-write)? mode(?!: Too many)",
        ),
        ("shared_memory", KNOWN, r"RuntimeError: unable to (?:write to|resize|mmap \d+ bytes from) file </torch_[^>]+>"),
        ("shared_memory", KNOWN, r"OSError: \[Errno 28\] No space left on device: '/(?:dev/shm/|psm_|torch_)"),
        ("shared_memory", KNOWN, r"RuntimeError: unable to allocate shared memory ?\(shm\) for file "),
        ("shared_memory", KNOWN, WORKER + r"Bus error"),
        ("shared_memory", KNOWN, r"Unexpected bus error encountered in worker\."),
        ("shared_memory", BEHIND, r"Error while creating shared memory segment /dev/shm/nccl-"),
        # the disk
        ("no_space", KNOWN, r"OSError: \[Errno (?:28|122)\] (?:No space left on device|Disk quota exceeded)" + NAMED),
        ("no_space", KNOWN, ERROR + r"SafetensorError: Error while serializing: .*(?:\(os error 28\)|\bcode: 28, )"),
        ("no_space", KNOWN, r"(?:RuntimeError|OSError): .*: No space left on device \(os error 28\)"),
        ("no_space", KNOWN, CONTAINER + r"PytorchStreamWriter failed writing file "),
        # files of a model, and its owner's leave to fetch them
        ("gated", KNOWN, ERROR + r"(?:GatedRepoError: |RepositoryNotFoundError: 401 Client Error)"),
        ("gated", KNOWN, ERROR + r"HTTPError: 40[13] Client Error: .* for url: https://huggingface\.co/"),
        ("gated", KNOWN, r"403 Forbidden: Please enable access to public gated repositories "),
        ("gated", KNOWN, r"(?:OSError|EnvironmentError): You are trying to access a gated repo\."),
        ("damaged_file", KNOWN, ERROR + r"SafetensorError: Error while deserializ"),
        ("damaged_file", KNOWN, r"(?:Exception: )?Error while deserializing header: "),
        ("damaged_file", KNOWN, r"(?:HeaderTooLarge|MetadataIncompleteBuffer)$"),
        (
            "damaged_file",
            KNOWN,
            r"(?:OSError|EnvironmentError): Unable to load weights from (?:pytorch )?checkpoint file for '(?P<subject>[^']+)'",
        ),
        ("damaged_file", KNOWN, r"OSError: Consistency check failed: file should be of size .*\((?P<subject>[^()]+)\)"),
        ("damaged_file", KNOWN, CONTAINER + r"PytorchStreamReader failed "),
        ("damaged_file", KNOWN, r"_pickle\.UnpicklingError: invalid load key, "),
        ("missing_file", KNOWN, r"FileNotFoundError: (?:\[(?:Errno 2|WinError [23])\] [^:]+" + NAMED + ")?"),
        ("missing_file", KNOWN, r"(?:OSError|EnvironmentError): .*(?:does not appear to have a file named|no file named) "),
        ("missing_file", KNOWN, r"\S+: can't open file '(?P<subject>.*)': \[Errno 2\] No such file or directory$"),
        # images
        ("bad_image", KNOWN, ERROR + r"UnidentifiedImageError: cannot identify image file(?: '(?P<subject>.+)'$)?"),
        (
            "bad_image",
            KNOWN,
            r"OSError: (?:image file is truncated|Truncated File Read|unrecognized data stream contents when reading)",
        ),
        ("bad_image", KNOWN, r"OSError: broken data stream when (?:reading|decoding) image file"),
        ("bad_image", KNOWN, r"SyntaxError: (?:broken PNG file|not a PNG file)"),
        ("bad_image", KNOWN, ERROR + r"DecompressionBombError: "),
        # several GPUs, one GPU, its driver
        ("nccl", KNOWN, r"\[.*\bProcessGroupNCCL\.cpp:\d+\] .*Watchdog caught collective operation timeout: WorkNCCL\("),
        ("nccl", KNOWN, r"(?:\[E.*ProcessGroupNCCL\.cpp:\d+\] )?Some NCCL operations have failed or timed out"),
        ("nccl", KNOWN, ERROR + r"(?:DistBackendError|RuntimeError): .*\bNCCL (?:error|communicator|operations)"),
        (
            "driver",
            KNOWN,
            r"(?:(?:RuntimeError|AssertionError): )?The NVIDIA driver on your system is too old \(found version ",
        ),
        ("driver", KNOWN, r"(?:(?:RuntimeError|AssertionError): )?Found no NVIDIA driver on your system\."),
        (
            "driver",
            KNOWN,
            RUNTIME + r"(?:CUDA error: |cuda runtime error \(35\) : )CUDA driver version is insufficient for CUDA",
        ),
        ("driver", KNOWN, RUNTIME + r"Unexpected error from cudaGetDeviceCount\(\)\..* Error 803: "),
        ("driver", KNOWN, RUNTIME + r"CUDA error: the provided PTX was compiled with an unsupported toolchain"),
        (
            "no_kernel",
            KNOWN,
            rf"(?:{RUNTIME}|{THROWN})(?:(?:CUDA|HIP) error: |cuda runtime error \(\d+\) : )no kernel image is available for",
        ),
        ("no_kernel", KNOWN, r"Error no kernel image is available for execution on the device at line \d+ in file "),
        ("no_kernel", KNOWN, r"AssertionError: Torch not compiled with CUDA enabled"),
        ("cuda", KNOWN, RUNTIME + r"(?:CUDA error: |CUDA driver error|cuDNN error|cuBLAS)"),
        ("cuda", KNOWN, RUNTIME + r"(?:No CUDA GPUs are available|Unexpected error from cuda)"),
        ("cuda", KNOWN, r"(?: *what\(\): +)?CUDA error: "),
        # what a trainer was told to do
        (
            "wrong_setting",
            KNOWN,
            ARGPARSE + r"(?:argument -|unrecognized arguments: |the following arguments are required: )",
        ),
        ("wrong_setting", KNOWN, r"voluptuous\.error\.(?:Multiple)?Invalid: "),
        ("wrong_setting", KNOWN, ERROR + r"TomlDecodeError: "),
        ("missing_package", KNOWN, r"(?:ModuleNotFoundError|ImportError): No module named '?(?P<subject>[\w.]{1,200})'?$"),
        # anything else
        ("other", EXCEPTION, r"Fatal Python error: "),
        ("other", EXCEPTION, r"Windows fatal exception: "),
        ("other", EXCEPTION, r"terminate called (?:after throwing an instance of |without an active exception)"),
        ("other", EXCEPTION, SHELL + r"(?:Segmentation fault|Aborted|Bus error)(?:$| +\(core dumped\)| {2,}\S)"),
        ("other", EXIT, LAUNCHER + r"(?:returned non-zero exit status|died with) "),
        ("other", EXIT, ERROR + r"ChildFailedError: *$"),
        ("other", EXIT, ELASTIC + r"-?\d+\)"),
        ("other", EXIT, r"Command exited with code (?!0$)-?\d+$"),
        ("other", EXIT, r"Error running job: "),  # ai-toolkit's, before the traceback
        ("other", EXIT, r" *- [1-9]\d{0,5} failures?$"),
    )
]

BASE, DATA = r"the base model .* cannot be used: ", r"the data set .* cannot be used: "
SINGLE = r"(?:.*?; )?[a-z_0-9]+: (?P<subject>[^;:]+\.(?:safetensors|sft))"  # a part of a base model that is a file of its own
ERROR_SIGNATURES = [  # only in lines of level ERROR, whose text is the program's own: mostly our trainer's
    Signature(kind, KNOWN, re.compile(pattern))
    for kind, pattern in (
        ("oom", r"(?:Failed to run training: )?(?i:(?:CUDA )?out of memory\b)"),
        ("no_space", r"(?P<subject>.+?) could not be written: (?:No space left on device|Disk quota exceeded)(?:;|$)"),
        ("gated", BASE + r"its licence is not accepted: "),
        ("gated", BASE + r"got neither .*\(40[13] Client Error"),
        ("damaged_file", BASE + r"(?:.*?; )?(?P<subject>[^ ;:]+): (?:got|cannot be loaded from) .*download it again(?:;|$)"),
        ("damaged_file", BASE + SINGLE + r": (?:got|ends) [^;]*download it again(?:;|$)"),
        ("damaged_file", BASE + r"(?:.*?; )?(?P<subject>[^ ;:]+): is a pointer of Git LFS "),
        ("damaged_file", BASE + SINGLE + r": is a pointer of Git LFS "),
        ("missing_file", BASE + r"(?:.*?; )?(?P<subject>[^ ;:]+) is missing: .*download (?:it|them) again(?:;|$)"),
        ("offline", BASE + r"got neither (?!.*\(404 Client Error)"),  # the Hub could not be reached
        ("bad_image", DATA + r"(?:.*?; )?(?P<subject>[^;/]+?): got a file of \d+ bytes that is no whole image"),
        ("missing_file", r".*\[Errno 2\] No such file or directory" + NAMED),
        ("missing_file", DATA + r"got nothing at (?P<subject>.+), expected "),
        ("wrong_setting", r".* cannot be used: "),
        ("wrong_setting", r"No data found\. Please verify arguments"),  # kohya's
        ("wrong_setting", r"[a-z]+\.[a-z_]+: got "),
        ("wrong_setting", r".* cannot be resumed from: .*expected the same; put them back"),
    )
]


# What tools say when something went wrong that they go on without, after it was told.
OUTLIVED = re.compile(
    r"Error during sampling, proceeding without sampling$"
    r"|Error during loading the sample definition file, proceeding without sampling$"
    r"|Error uploading to hub: .*, continuing training\.$"
    r"|Failed to log to accelerator; ignoring error: "
)


def _any_of(signatures: list[Signature]) -> re.Pattern[str]:
    """Fits what one of them fits: nearly all lines of a log are no failure, and are to be told so at once."""
    return re.compile("|".join(f"(?:{signature.pattern.pattern.replace('(?P<subject>', '(?:')})" for signature in signatures))


ANY, ANY_ERROR = _any_of(SIGNATURES), _any_of(ERROR_SIGNATURES)


def find_signature(text: str, is_error: bool = False) -> tuple[Signature, str] | None:
    """The first row that fits a line, and its subject; None where the line names no failure. `is_error`: its level is that."""
    for any_of, signatures in ((ANY, SIGNATURES), (ANY_ERROR, ERROR_SIGNATURES if is_error else [])):
        if signatures and any_of.match(text):
            signature, match = next((each, match) for each in signatures if (match := each.pattern.match(text)))
            return signature, match.groupdict().get("subject") or ""
    return None
