"""What to do about a failure, by its kind: a name for people, the cure, and whether going on by itself may help.

`fluxgym.log.failures` finds the kind in a log; the pages, the notifications and the supervisor ask here what it means.
"""

from dataclasses import dataclass

SMALLER, LOWER_RATE, DOWNLOAD, RESUME = "smaller", "lower_rate", "download", "resume"  # what a button can do


@dataclass(frozen=True, slots=True)
class Remedy:
    """`title` names the cause in a few words, `fix` says in one or two sentences what a person can do about it."""

    title: str
    fix: str
    action: str = ""  # the button that helps most: SMALLER, LOWER_RATE, DOWNLOAD or RESUME; empty: something else comes first
    is_worth_retrying: bool = False  # the cause may be gone the next time, with nothing changed


REMEDIES = {
    "oom": Remedy(
        "Out of GPU memory",
        "Gradient checkpointing, a smaller batch or a smaller resolution needs less of it; see also what else uses the GPU.",
        SMALLER,
    ),
    "host_oom": Remedy(
        "Out of memory on the machine",
        "Close what else fills its memory, or give the container more. The base model takes as much as its files are large.",
        RESUME,
        is_worth_retrying=True,
    ),
    "killed": Remedy(
        "The training was killed",
        "Most often the system does this when the machine runs out of memory: check what else is running, then resume.",
        RESUME,
        is_worth_retrying=True,
    ),
    "nan": Remedy(
        "The loss became not a number",
        "Resume from a state before that, with a lower learning rate: that helps most often.",
        LOWER_RATE,
    ),
    "missing_file": Remedy("A file is missing", "Check that it is there, and the paths in the settings."),
    "damaged_file": Remedy(
        "A file is damaged",
        "Download it again: a download that broke off, or a disk that was full, leaves such a file.",
        DOWNLOAD,
    ),
    "gated": Remedy(
        "The Hub does not hand out the base model",
        "Check its name, accept its licence on its page at Hugging Face, and sign in on this machine with: hf auth login.",
    ),
    "offline": Remedy(
        "The base model cannot be fetched",
        "See whether this machine reaches the Hub, then resume: what has arrived stays. One that is here goes by its folder.",
        RESUME,
        is_worth_retrying=True,
    ),
    "no_space": Remedy(
        "The disk is full",
        "Make room, for example by deleting states and LoRA files of old runs, then resume.",
        RESUME,
    ),
    "driver": Remedy(
        "The NVIDIA driver is missing or too old",
        "Update the driver of this machine, or install a PyTorch that was built for the one it has.",
    ),
    "no_kernel": Remedy(
        "PyTorch was not built for this GPU",
        "Install a PyTorch whose CUDA version supports it: new GPUs need a new one, and old GPUs an older one.",
    ),
    "nccl": Remedy(
        "The GPUs lost contact with each other",
        "Most often one of the processes broke first: its lines come before this one. Resume, and see whether it comes again.",
        RESUME,
        is_worth_retrying=True,
    ),
    "shared_memory": Remedy(
        "Out of shared memory",
        "Give the container more of it, with --shm-size=8g or --ipc=host, or let fewer workers load the data; then resume.",
        RESUME,
    ),
    "bad_image": Remedy("An image cannot be read", "Replace that image, or take it out of the data set; then start again."),
    "cuda": Remedy(
        "The GPU reported an error",
        "Resume. Where it happens again, heat, overclocking, the driver or the GPU itself is to blame.",
        RESUME,
        is_worth_retrying=True,
    ),
    "wrong_setting": Remedy(
        "A setting cannot be used",
        "The message says which one and what is expected; change it, then start again.",
    ),
    "missing_package": Remedy(
        "A Python package is missing",
        "Install it into the environment that the training runs in, then start again.",
    ),
    "stopped": Remedy("The training was stopped", "Resume goes on from its last state.", RESUME),
    "other": Remedy(
        "The training broke off",
        "The last lines of the log may tell why.",
        RESUME,
        is_worth_retrying=True,
    ),
}


def find_remedy(kind: str | None) -> Remedy:
    """What is known about a kind of failure; of one that is not known, what can be said of any."""
    return REMEDIES.get(kind or "other", REMEDIES["other"])


def is_worth_retrying(kind: str | None) -> bool:
    """Whether a training that ended so may go well when it is resumed with nothing changed."""
    return find_remedy(kind).is_worth_retrying
