"""The look before the start: everything that would stop a training, or let it fail after an hour, each with what to do.

Reads every byte of the images, as the trainer will, so it takes about 0.1 s for a photo."""

from collections.abc import Iterator

from fluxgym.dataset.images import expand
from fluxgym.models.known import find_known
from fluxgym.models.token import find_token_problem
from fluxgym.models.verify import find_model_problems
from fluxgym.preflight.cluster import ask_for_job, look_at_files, look_at_job, look_at_memory
from fluxgym.preflight.disk import Need, find_need
from fluxgym.preflight.estimate import CPU, Estimate, Question, find_room, find_trouble, get_estimate
from fluxgym.preflight.report import ERROR, FINE, WARNING, Bucketed, Finding, Report, sort_findings
from fluxgym.preflight.share import ask_for_place, look_at_share
from fluxgym.run.base_model import find_base_problem
from fluxgym.run.care import FIRST_FREE, SLURM
from fluxgym.run.folders import PROJECT, has_run
from fluxgym.run.gpu import has_device, list_gpus
from fluxgym.run.places import PlaceError, find_fillers, list_places
from fluxgym.run.processes import count_named
from trainer.buckets import NOTABLE, Size, find_crop, find_sizes, reaches
from trainer.config import Config
from trainer.dataset import Dataset, Item, read_dataset
from trainer.listing import DatasetError
from trainer.plan import Plan, make_plan

DISK = "disk"  # a finding's subject
GB = 2**30  # bytes
NAMED = 3  # things that are named in a sentence
HIGH_RATES = {"adamw": 5e-3, "adamw8bit": 5e-3, "adafactor": 5e-3, "schedule_free": 2e-2, "lion": 1e-3}  # seen to break LoRAs

Findings = Iterator[Finding]


def preflight(config: Config, is_new: bool = True, patience: float = 0.0, place: str = FIRST_FREE) -> Report:
    """`is_new`: a run that has its name must not be there yet. `patience`: s to wait for what is not counted yet. `place`: as
    Care.place has it."""
    is_job = place == SLURM
    findings = [*_look_at_name(config)] if is_new else []
    findings += [*look_at_base(config)]
    dataset, trouble = _read(config)
    findings += trouble
    buckets = [bucket_of(config, item) for item in dataset.images] if dataset else []
    plan, trouble = _plan(config, dataset)
    findings += trouble
    if dataset and plan:
        findings += [*_look_at_captions(config, dataset), *_look_at_sizes(buckets)]
    findings += [*look_at_settings(config)]
    findings += [*look_at_job(config)] if is_job else [*look_at_share(config, count_named(place))]
    findings += [*look_at_place(config, place)]
    sizes = [size for bucket in buckets for size in bucket.sizes]
    question = ask_for(config, sizes, place)
    estimate = get_estimate(question, patience)
    findings += [*look_at_room(config, question, estimate, place)]
    if plan:
        findings += [*look_at_disk(find_need(config, plan, sizes, count_prompts(config), estimate))]
    return Report(sort_findings(findings), buckets, plan.total_steps if plan else None)


# ---- name and base model -------------------------------------------------------------------------------------------------
def _look_at_name(config: Config) -> Findings:
    if has_run(config.name):
        yield Finding(ERROR, "name", f"got the name {config.name}, which an earlier run has", "Choose another name.")
    else:
        yield Finding(FINE, "name", f"{config.name} is free")


def look_at_base(config: Config) -> Findings:
    base = config.model.base
    if problem := find_base_problem(base):
        yield Finding(ERROR, "model.base", problem, "Choose a base model in step 1, or on the Models page.")
        return
    problems = find_model_problems(config)
    yield from (Finding(ERROR, "model.base", problem) for problem in problems)
    if trouble := find_token_problem(base) or find_token_problem(config.model.tokenizers or ""):
        yield Finding(ERROR, "token", trouble)
    elif not problems:
        known = find_known(base)
        yield Finding(FINE, "model.base", f"{known.label if known else base}: its files are whole as far as they are here")


# ---- images and captions -------------------------------------------------------------------------------------------------
def _read(config: Config) -> tuple[Dataset | None, list[Finding]]:
    try:
        dataset = read_dataset(config)
    except DatasetError as error:
        fix = "Replace or remove what is named, in step 2 or in its folder."
        return None, [Finding(ERROR, "images", problem, fix) for problem in error.problems]
    notes = [Finding(WARNING, "images", note) for note in dataset.notes]
    return dataset, [*notes, Finding(FINE, "images", f"all {len(dataset.images):,} can be read to their last pixel")]


def _plan(config: Config, dataset: Dataset | None) -> tuple[Plan | None, list[Finding]]:
    if dataset is None:
        return None, []
    try:
        plan = make_plan(config, dataset.shapes)
    except ValueError as error:
        return None, [Finding(ERROR, "data.validation_images", str(error), "Hold out fewer images, or add some.")]
    steps = f"{plan.total_steps:,} in all: {plan.steps_per_epoch:,} in each of {config.train.epochs:,} epochs"
    return plan, [Finding(FINE, "steps", steps)]


def _look_at_captions(config: Config, dataset: Dataset) -> Findings:
    trigger, items = config.trigger, dataset.images
    if not trigger:
        yield Finding(WARNING, "trigger", "there is none", "Without a word that calls it, the LoRA changes every picture.")
        return
    without = sorted(item.path.name for item in items if trigger.casefold() not in item.caption.casefold())
    bare = sum(item.caption == trigger for item in items)
    if without:
        fix = "Put it in front of all captions: step 2, Prefix with the trigger word."
        yield Finding(WARNING, "captions", f"{_some(without)} do not contain the trigger word {trigger}", fix)
    if bare and len(items) > 1:
        fix = "Have captions written by a model in step 2, or write what else is to be seen."
        told = f"{bare:,} of {len(items):,} images have no caption of their own and get the trigger word"
        yield Finding(WARNING if bare == len(items) else FINE, "captions", told, fix)
    elif not without:
        yield Finding(FINE, "captions", "each image has one, with the trigger word")


def bucket_of(config: Config, item: Item) -> Bucketed:
    """How an image is learned, by trainer/buckets.py."""
    size, is_square = item.shape.size, not config.data.buckets
    resolutions = item.shape.resolutions or config.data.resolutions
    sizes = tuple(find_sizes(size, resolutions, is_square))
    small = not reaches(size, min(resolutions), is_square)
    return Bucketed(item.path.name, size, sizes, max(find_crop(size, each) for each in sizes), small)


def _look_at_sizes(buckets: list[Bucketed]) -> Findings:
    small = sorted(bucket.name for bucket in buckets if bucket.is_small)
    if small:
        fix = "Replace them by larger ones, or lower data.resolution; they are learned as they are, never enlarged."
        yield Finding(WARNING, "sizes", f"{_some(small)} do not reach the resolution", fix)
    cut = sorted((bucket for bucket in buckets if bucket.cropped > NOTABLE), key=lambda bucket: -bucket.cropped)
    if cut:
        named = _some([f"{bucket.name} ({bucket.cropped:.0%})" for bucket in cut])
        yield Finding(
            WARNING, "sizes", f"{named} lose more than {NOTABLE:.0%} to the crop", "Crop them yourself to what counts."
        )
    if not small and not cut:
        yield Finding(FINE, "sizes", "no image is too small, none is cropped by much")


# ---- settings and machine ------------------------------------------------------------------------------------------------
def look_at_settings(config: Config) -> Findings:
    """What is possible, and mostly a mistake."""
    train, high = config.train, HIGH_RATES.get(config.train.optimizer)
    if high and train.learning_rate > high:
        told = f"got {train.learning_rate:.1e} with {train.optimizer}, which is very high"
        yield Finding(WARNING, "train.learning_rate", told, f"Around {high / 50:.0e} is usual.")
    if config.lora.alpha > 4 * config.lora.rank:
        fix = "Alpha is mostly the rank, or half of it."
        yield Finding(WARNING, "lora.alpha", f"got alpha {config.lora.alpha:g} with rank {config.lora.rank}", fix)


def look_at_place(config: Config, place: str) -> Findings:
    """Where it is to train: the GPUs of this machine, or whether the nodes of a cluster find its files."""
    yield from look_at_files(config) if place == SLURM else _look_at_gpu(config)


def ask_for(config: Config, sizes: list[Size], place: str) -> Question:
    """What memory it needs there. `sizes`: px of all images as they are learned."""
    largest = find_largest(sizes)
    return ask_for_job(config, largest) if place == SLURM else ask_for_place(config, largest, place)


def look_at_room(config: Config, question: Question, estimate: Estimate | None, place: str) -> Findings:
    """Whether it fits into the memory there."""
    yield from look_at_memory(config, question, estimate) if place == SLURM else _look_at_memory(question, estimate)


def _look_at_gpu(config: Config) -> Findings:
    known, gpus = find_known(config.model.base), list_gpus()
    is_small = bool(known and known.is_here)
    if not gpus and has_device() and config.model.device != "cpu":
        yield Finding(WARNING, "gpu", "the driver of the GPU does not answer", "See what nvidia-smi says; restart the machine.")
    elif not gpus:
        level = FINE if is_small or config.model.device == "cpu" else WARNING
        fix = "" if is_small else "Rent a machine with a GPU of 12 GB or more, or try flux-mini first: Try the demo."
        yield Finding(level, "gpu", "there is none on this machine: it trains on the CPU", fix)
    else:
        yield from _look_at_places(", ".join(dict.fromkeys(gpu.name for gpu in gpus)))


def _look_at_places(names: str) -> Findings:
    try:
        places = list_places()
        free = [place for place in places if place.is_free]
        filled = [told for _, told in find_fillers(free)]
    except (PlaceError, OSError) as error:
        yield Finding(WARNING, "gpu", str(error))
        return
    if not free:
        yield Finding(FINE, "gpu", f"{names}: under way already, so this one waits in line")
    yield from (Finding(WARNING, "gpu", told, "End that program; until then the run waits in line.") for told in filled)
    if free and not filled:
        yield Finding(FINE, "gpu", f"{names}: free")


def _look_at_memory(question: Question, estimate: Estimate | None) -> Findings:
    if estimate is None or estimate.chosen is None:
        why = find_trouble(question) or "that depends on the GPU" * bool(estimate)
        yield Finding(FINE, "memory", f"how much it needs is not known{': ' + why if why else ''}")
        return
    way, room = estimate.chosen, find_room(question, estimate.chosen)
    where = "this machine" if question.device == CPU else "the GPU"
    if room is not None and way.bytes > room:
        fix = "Lower the resolution, the batch or the rank, or choose a smaller base model."
        told = f"needs about {way.bytes / GB:.1f} GB ({way.words}), {where} has {room / GB:.1f} GB"
        yield Finding(WARNING, "memory", told, fix)
    else:
        there = f" of {room / GB:.1f}" if room else ""
        yield Finding(FINE, "memory", f"needs about {way.bytes / GB:.1f}{there} GB: {way.words}")


def look_at_disk(need: Need) -> Findings:
    told = f"needs about {need.total / GB:.1f} GB, {need.free / GB:.1f} GB are free"
    if need.missing:
        fix = "Delete old runs or models, or set FLUXGYM_OUTPUTS and HF_HOME to a larger volume."
        yield Finding(ERROR, DISK, f"{told}: {need.missing / GB:.1f} GB are missing", fix)
    else:
        yield Finding(FINE, DISK, told)


def count_prompts(config: Config) -> int:
    """Those of the settings and those of their file, as far as that can be read."""
    count = len(config.sample.prompts)
    if config.sample.prompts_file:
        try:
            lines = (PROJECT / expand(config.sample.prompts_file)).read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError):
            return count
        count += sum(bool(line.strip()) and not line.lstrip().startswith("#") for line in lines)
    return count


def _some(names: list[str]) -> str:
    more = f" and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


def find_largest(sizes: list[Size]) -> Size | None:
    """The size at which a step takes most."""
    return max(sizes, key=lambda size: size[0] * size[1], default=None)
