"""Which line names which cause: real lines of each, and words that must not be taken for one."""

import pytest

from fluxgym.log.failures import find_failure

BAR = "steps:  14%|#4        | {}/1520 [07:31<46:12,  2.12s/it, loss=0.3000, avr_loss=0.3000, lr=2e-04]"
LAUNCHER = "subprocess.CalledProcessError: Command '['/usr/bin/python', 'CUDA out of memory.py']' "
OURS = "2026-11-24 10:15:30 ERROR "
BASE, DATA = f"{OURS}the base model /models/flux-dev cannot be used: ", f"{OURS}the data set datasets/my cats cannot be used: "
HUB = "(Request ID: Root=1-66f4b037-1bf3d7d219afbc904ee05694;5601d2c9-8fd8-4ed8-b38d-d8a432e1fa59)"
LATEST = "https://huggingface.co/black-forest-labs/FLUX.1-dev/resolve/main/ae.safetensors"
TOO_OLD = "The NVIDIA driver on your system is too old (found version 11040). Please update your GPU driver by downloading and"
SHM = "It is possible that dataloader's workers are out of shared memory. Please try to raise your shared memory limit."
PAGING = "The paging file is too small for this operation to complete."
FULL = "No space left on device"


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 18.00 MiB. GPU 0 has", "oom"),
        ("torch.cuda.OutOfMemoryError: CUDA out of memory. Tried to allocate 18.00 MiB.", "oom"),
        ("[rank0]: torch.OutOfMemoryError: CUDA out of memory.", "oom"),
        ("[2024-09-15 01:12:55] [INFO] torch.OutOfMemoryError: CUDA out of memory.", "oom"),
        ("RuntimeError: CUDA error: out of memory", "oom"),
        ("MemoryError", "host_oom"),
        ("RuntimeError: [enforce fail at alloc_cpu.cpp:114] DefaultCPUAllocator: can't allocate memory: you tried", "host_oom"),
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
        ("safetensors_rust.SafetensorError: Error while deserializing header: HeaderTooLarge", "damaged_file"),
        ("2026-11-24 10:15:30 ERROR c.toml cannot be read: [Errno 2] No such file or directory: 'c.toml'", "missing_file"),
        ("RuntimeError: CUDA error: device-side assert triggered", "cuda"),
        ("torch.AcceleratorError: CUDA error: an illegal memory access was encountered", "cuda"),
        ("RuntimeError: cuDNN error: CUDNN_STATUS_NOT_SUPPORTED", "cuda"),
        ("[rank0]:[E1124 10:15:00 ProcessGroupNCCL.cpp:616] Watchdog caught collective operation timeout: WorkNCCL(S", "nccl"),
        ("torch.distributed.DistBackendError: NCCL error in: x.cpp:1", "nccl"),
        ("2026-11-24 10:15:06 Training stopped at step 123 of 300: resume from outputs/a/a-step00000123-state", "stopped"),
        ("2026-11-24 10:15:06 Training stopped before its first step: nothing was lost", "stopped"),
        ("2026-11-24 10:15:06 ERROR Rank 3 of 8, on gpu-2, was killed by signal 9 (SIGKILL)", "killed"),
        ("2026-11-24 10:15:06 ERROR another process of this training is gone: [gloo/transport/tcp/pair.cc:537] Read", "nccl"),
        ("srun: error: Unable to create step for job 7: Requested node configuration is not available", "other"),
        ("[rank1]: 2026-11-24 10:15:30 ERROR the dataset has no image: expected .png", "other"),
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


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("RuntimeError: CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`", "oom"),
        ("RuntimeError: cuDNN error: CUDNN_STATUS_ALLOC_FAILED", "oom"),
        ("torch.AcceleratorError: CUDA error: out of memory", "oom"),
        ("RuntimeError: MPS backend out of memory (MPS allocated: 17.70 GB, other allocations: 384.00 KB", "oom"),
        ("numpy._core._exceptions._ArrayMemoryError: Unable to allocate 9.00 GiB for an array with shape", "host_oom"),
        ("OSError: [Errno 12] Cannot allocate memory", "host_oom"),
        (f'OSError: [WinError 1455] {PAGING} Error loading "D:\\a\\torch\\lib\\shm.dll" or one of', "host_oom"),
        (f"[2025-05-12 01:51:49] [INFO] OSError: {PAGING} (os error 1455)", "host_oom"),
        ("RuntimeError: DataLoader worker (pid 4321) is killed by signal: Killed. ", "host_oom"),
        ("  what():  std::bad_alloc", "host_oom"),
        ("slurmstepd: error: Detected 1 oom_kill event in StepId=77.batch. Some of the step tasks have been", "host_oom"),
        (LAUNCHER + "returned non-zero exit status 3221225477.", "host_oom"),
        (f"safetensors_rust.SafetensorError: Error while deserializing: {PAGING} (os error 1455)", "host_oom"),
        ("RuntimeError: unable to mmap 335304388 bytes from file </t5.safetensors>: Cannot allocate memory (12)", "host_oom"),
        ("RuntimeError: unable to mmap 1024 bytes from file </torch_7_1>: Cannot allocate memory (12)", "shared_memory"),
        ("RuntimeError: unable to allocate shared memory(shm) for file </torch_7_1>: Cannot allocate", "shared_memory"),
        (f"DataLoader worker (pid 270071) is killed by signal: Bus error. {SHM}", "shared_memory"),
        (
            "RuntimeError: [enforce fail at inline_container.cc:588] . PytorchStreamWriter failed writing file data/1",
            "no_space",
        ),
        ("RuntimeError: [enforce fail at inline_container.cc:145] . PytorchStreamReader failed reading", "damaged_file"),
        ("OSError: Consistency check failed: file should be of size 99 but has size 12 (x.safetensors).", "damaged_file"),
        ("RuntimeError: Unexpected error from cudaGetDeviceCount(). Did you run some? Error 803: system has", "driver"),
        ("RuntimeError: Unexpected error from cudaGetDeviceCount(). Did you run some? Error 2: out of memory", "cuda"),
        ("RuntimeError: CUDA error: the provided PTX was compiled with an unsupported toolchain.", "driver"),
        ("  what():  CUDA error: no kernel image is available for execution on the device", "no_kernel"),
        ("2026-05-09 10:15:01 ERROR    No data found. Please verify arguments (train_   train_network.py:300", "wrong_setting"),
        ("[2024-09-15 01:12:55] [ERROR] Command exited with code 3221225477", "host_oom"),
        (f"RuntimeError: DataLoader worker (pid 46794) is killed by signal: Bus error. {SHM}", "shared_memory"),
        ("ERROR: Unexpected bus error encountered in worker. This might be caused by insufficient shared", "shared_memory"),
        ("RuntimeError: unable to open shared memory object </torch_2276740_2849291446> in read-write mode", "shared_memory"),
        (f"RuntimeError: unable to write to file </torch_76_3625483894>: {FULL} (28)", "shared_memory"),
        ("RuntimeError: unable to open shared memory object </torch_5_4> in read-write mode: Too many open files (24)", None),
        (f"OSError: [Errno 28] {FULL}", "no_space"),
        (
            f'SafetensorError: Error while serializing: IoError(Os {{ code: 28, kind: StorageFull, message: "{FULL}" }})',
            "no_space",
        ),
        (
            f"safetensors._safetensors_rust.SafetensorError: Error while serializing: I/O error: {FULL} (os error 28)",
            "no_space",
        ),
        (f"RuntimeError: Data processing error: CAS service error : IO Error: {FULL} (os error 28)", "no_space"),
        (f"huggingface_hub.errors.GatedRepoError: 401 Client Error. {HUB}", "gated"),
        (f"huggingface_hub.utils._errors.GatedRepoError: 403 Client Error. {HUB}", "gated"),
        (f"requests.exceptions.HTTPError: 401 Client Error: Unauthorized for url: {LATEST}", "gated"),
        ("403 Forbidden: Please enable access to public gated repositories in your fine-grained token settings", "gated"),
        ("OSError: You are trying to access a gated repo.", "gated"),
        (f"{BASE}its licence is not accepted: accept it at https://huggingface.co/a/b, then run: hf auth login", "gated"),
        (
            f"{BASE}got neither a folder of that name nor the model from the Hub, expected one (401 Client Error. {HUB})",
            "gated",
        ),
        (
            f"{BASE}got neither a folder of that name nor the model from the Hub, expected one (404 Client Error. {HUB})",
            "wrong_setting",
        ),
        (
            f"{BASE}got neither a folder of that name nor the model from the Hub, expected one (An error happened while",
            "offline",
        ),
        ("safetensors_rust.SafetensorError: Error while deserializing header: MetadataIncompleteBuffer", "damaged_file"),
        ("safetensors_rust.SafetensorError: File does not contain tensor model.weight", None),
        ("RuntimeError: PytorchStreamReader failed reading zip archive: failed finding central directory", "damaged_file"),
        ("_pickle.UnpicklingError: invalid load key, 'v'.", "damaged_file"),
        (f"RuntimeError: {TOO_OLD}", "driver"),
        (f"a/torch/cuda/__init__.py:118: UserWarning: CUDA initialization: {TOO_OLD}", None),
        ("RuntimeError: CUDA error: CUDA driver version is insufficient for CUDA runtime version", "driver"),
        ("RuntimeError: Found no NVIDIA driver on your system. Please check that you have an NVIDIA GPU", "driver"),
        ("RuntimeError: CUDA error: no kernel image is available for execution on the device", "no_kernel"),
        ("Error no kernel image is available for execution on the device at line 84 in file /src/csrc/ops.cu", "no_kernel"),
        ("AssertionError: Torch not compiled with CUDA enabled", "no_kernel"),
        ("OSError: image file is truncated (12 bytes not processed)", "bad_image"),
        ("OSError: unrecognized data stream contents when reading image file", "bad_image"),
        ("PIL.UnidentifiedImageError: cannot identify image file <_io.BytesIO object at 0x7f>", "bad_image"),
        ("PIL.Image.DecompressionBombError: Image size (324000000 pixels) exceeds limit of 178956970 pixels", "bad_image"),
        ("[2025-07-16 14:16:05] [INFO] flux_train_network.py: error: unrecognized arguments: \\", "wrong_setting"),
        ("flux_train_network.py: error: argument --optimizer_type: expected one argument", "wrong_setting"),
        ("voluptuous.error.MultipleInvalid: extra keys not allowed @ data['general']['shuffle']", "wrong_setting"),
        (f"{OURS}outputs/a/config.toml cannot be used: train.epochs: got 0, expected a whole number from 1", "wrong_setting"),
        (f"{OURS}train.epochs: got 3, expected at least 5, which are done", "wrong_setting"),
        (f"{OURS}a-4-state cannot be resumed from: lora.rank: 4; expected the same; put them back, or start", "wrong_setting"),
        (f"{OURS}a-4-state cannot be resumed from: lora.safetensors: got None bytes, expected 77", "other"),
        (f"{OURS}outputs/a.safetensors could not be written: Permission denied; no state was saved before", "other"),
        ("RuntimeError: OOM during training step 3 times in a row, aborting training", "oom"),
        ("# OOM during training step, skipping batch 1/3 #", None),
        ("Error running job: CUDA out of memory. Tried to allocate 512.00 MiB. GPU 0 has a total capacity", "oom"),
        ("Error running job: cannot pickle a reference", "other"),
        (" - 1 failure", "other"),
        (" - 0 failures", None),
        ("    Stop signal received; terminating process.      ", "stopped"),
        ("Job stopped", "stopped"),
        ("2024-08-16 17:22:14,705 [INFO] (Trainer) Aborting training run.", "stopped"),
        ("2024-08-16 17:22:14,705 [ERROR] (Trainer) Failed to run training: CUDA out of memory. Tried to", "oom"),
        ("2024-08-16 17:22:14,705 [ERROR] (Trainer) Failed to log to accelerator; ignoring error: timed out", None),
        ("2024-08-16 17:22:14,705 [ERROR] (Trainer) Error uploading to hub: timed out, continuing training.", None),
        ("RuntimeError: Training loss became NaN. This may be due to invalid parameters, precision issues", "nan"),
        ("Windows fatal exception: access violation", "other"),
        ("ModuleNotFoundError: No module named 'bitsandbytes'", "missing_package"),
        ("ImportError: No module named triton", "missing_package"),
    ],
)
def test_lines_as_they_are_written(line, kind):
    failure = find_failure([BAR.format(212), line])
    assert (failure and failure.kind) == kind


@pytest.mark.parametrize(
    ("line", "kind", "subject"),
    [
        ("FileNotFoundError: [Errno 2] No such file or directory: 'nan.png'", "missing_file", "nan.png"),
        ("python: can't open file '/a b/train.py': [Errno 2] No such file or directory", "missing_file", "/a b/train.py"),
        (
            f"{OURS}c.toml cannot be used: cannot be read: [Errno 2] No such file or directory: 'c.toml'",
            "missing_file",
            "c.toml",
        ),
        (f"{DATA}got nothing at datasets/my cats, expected a folder of images", "missing_file", "datasets/my cats"),
        ("PIL.UnidentifiedImageError: cannot identify image file '/d/it's.png'", "bad_image", "/d/it's.png"),
        (
            f"{DATA}a.txt: a caption without an image; b c.jpg: got a file of 12 bytes that is no whole image",
            "bad_image",
            "b c.jpg",
        ),
        (f"OSError: [Errno 28] {FULL}: '/cache/models--a--b'", "no_space", "/cache/models--a--b"),
        (
            f"{OURS}outputs/a b/a-4-state could not be written: {FULL}; outputs/a-3-state is kept",
            "no_space",
            "outputs/a b/a-4-state",
        ),
        (
            f"{BASE}vae/x.safetensors: got 12 bytes, expected 99: download it again",
            "damaged_file",
            "vae/x.safetensors",
        ),
        (
            f"{BASE}vae/x.safetensors: got a file of 12 bytes that is no .safetensors (unpack), download it again; y: z",
            "damaged_file",
            "vae/x.safetensors",
        ),
        (
            f"{BASE}vae/x.safetensors: is a pointer of Git LFS instead of the weights; run: git lfs pull",
            "damaged_file",
            "vae/x.safetensors",
        ),
        (
            f"{BASE}a; vae: /my models/ae.sft: got 12 bytes, expected 99: download it again",
            "damaged_file",
            "/my models/ae.sft",
        ),
        (
            f"{BASE}transformer: m/flux1-dev.safetensors: is a pointer of Git LFS instead of the weights; run: git lfs pull",
            "damaged_file",
            "m/flux1-dev.safetensors",
        ),
        (
            f"{BASE}vae/config.json is missing: the folder is not whole, download it again",
            "missing_file",
            "vae/config.json",
        ),
        (
            f"{BASE}vae: cannot be loaded from /models/flux-dev/vae: 3 weights are not in its files; download it again",
            "damaged_file",
            "vae",
        ),
        (
            "OSError: Unable to load weights from checkpoint file for '/m/a b.bin' at '/m/a b.bin'. ",
            "damaged_file",
            "/m/a b.bin",
        ),
    ],
)
def test_the_file_that_a_line_names(line, kind, subject):
    failure = find_failure([line])
    assert (failure.kind, failure.subject) == (kind, subject)


@pytest.mark.parametrize(
    "line",
    [
        "2026-11-24 10:15:02 Loading the data set cannot be used: download it again",
        "2026-11-24 10:15:02 WARNING train.guidance: got 3, it is ignored",
        "Saving /x/OSError: [Errno 28] No space left on device.png",
        "caption of a.png: error: unrecognized arguments: of lovers",
        "the NVIDIA driver on your system is too old for this poster",
    ],
)
def test_words_of_ours_that_are_no_failure(line):
    assert find_failure([BAR.format(211), line]) is None


@pytest.mark.parametrize(
    ("last", "kind"),
    [
        ("Cuda failure 2 'out of memory'", "oom"),
        ("Error while creating shared memory segment /dev/shm/nccl-WfXK3W (size 9637888)", "shared_memory"),
        ("socketPollConnect: connect returned Connection refused", "nccl"),
    ],
)
def test_what_is_behind_a_failure_of_nccl(last, kind):
    said = "torch.distributed.DistBackendError: NCCL error in: ../ProcessGroupNCCL.cpp:1970, unhandled system error (run with"
    failure = find_failure(
        [BAR.format(212), said, "ncclSystemError: System call or external library call failed", "Last error:", last]
    )
    assert (failure.kind, failure.message) == (kind, said if kind == "nccl" else last)
