"""Settings of kohya's flux_train_network.py, which FluxGym starts, as settings of this trainer: units changed, nothing dropped
without a word. Which option is what stands in kohya_table.py."""

import contextlib
import math
import re
from pathlib import Path
from typing import Any

from fluxgym.dataset.images import find_folder
from fluxgym.form.imported import Imported, ImportFailed
from fluxgym.form.kohya_data import parse_sides, read_dataset
from fluxgym.form.kohya_script import Command, read_file_of_options, shown
from fluxgym.form.kohya_table import (
    CHOICES,
    NUMBERS,
    OPTIMIZER_NUMBERS,
    OPTIMIZER_SAME,
    OPTIMIZERS,
    SAME,
    SWITCHES,
    TEXTS,
    find_reason,
    read_number,
)
from fluxgym.form.sources import Sources
from trainer.folder import check_name
from trainer.layouts import read_layout
from trainer.listing import DatasetError
from trainer.prompts import Picture, parse_prompt

SCRIPT = "flux_train_network.py"
THEIR_RATE, THEIR_STEPS = 2e-6, 1600  # where a script says neither
AS_HERE = ("save_model_as", ["safetensors"])
THEIR_DEFAULT = "their default"
LIKE_UNIFORM = 1.702  # width of the logit_normal that is nearest to a uniform draw: nowhere off by more than a hundredth


def read_kohya(command: Command, sources: Sources, name: str = "") -> Imported:
    """What a command line says, and the files that it names. Raises ImportFailed about another trainer."""
    if command.script and command.script != SCRIPT:
        raise ImportFailed(f"got a command of {command.script}, expected one of {SCRIPT}, which trains a LoRA for FLUX.1")
    reading = _Reading(command, sources, Imported(name or f"options of {SCRIPT}"))
    for read in (_read_simple, _read_name, _read_blocks, _read_optimizer, _read_warmup, _read_timesteps, _read_data):
        read(reading)
    _read_length(reading)
    _read_samples(reading)
    _read_saving(reading)
    reading.finish()
    return reading.out


class _Reading:
    """Options that are taken off one by one, until only those are left that nobody asked for."""

    def __init__(self, command: Command, sources: Sources, out: Imported):
        self.out, self.sources = out, sources
        self.options = {**self._read_config_file(command), **command.options}
        self.options.pop("config_file", None)
        self.launcher = dict(command.launcher)
        for name in ("mixed_precision", "num_processes"):
            if name in self.launcher:
                self.options.setdefault(name, self.launcher.pop(name))
        self.steps_per_epoch: float | None = None
        self.is_clip_trained = "network_train_unet_only" not in self.options

    def _read_config_file(self, command: Command) -> dict[str, list[str]]:
        named = " ".join(command.options.get("config_file", []))
        if not named:
            return {}
        source = self.sources.find(named) or self.sources.find(f"{named}.toml")
        try:
            return read_file_of_options(source.text) if source else self._miss("config_file", [named])
        except ValueError as error:
            self.out.leave(shown("config_file", [named]), f"is not TOML: {error}")
            return {}

    def _miss(self, name: str, values: list[str]) -> dict[str, list[str]]:
        self.out.leave(shown(name, values), "the file is not here; give it as well")
        return {}

    def pop(self, name: str) -> str | None:
        """What was given to an option, on one line; None where it was not given."""
        return " ".join(values) if (values := self.options.pop(name, None)) is not None else None

    def number(self, name: str, kind: Any, default: Any = None) -> Any:
        """A number of theirs; what is none is told."""
        given = self.pop(name)
        try:
            return default if given in (None, "") else read_number(kind, given or "")
        except ValueError as error:
            self.out.leave(shown(name, [given or ""]), str(error))
            return default

    def finish(self) -> None:
        """What nobody asked for: so here anyway, or without a counterpart."""
        if self.is_clip_trained:
            why = "theirs then trains the text encoder CLIP-L as well; text encoders are not trained here"
            self.out.leave("--network_train_unet_only is not given", why)
        for name, values in {**self.launcher, **self.options}.items():
            if name in SAME:
                self.out.same.append(name)
            else:
                self.out.leave(shown(name, values), find_reason(name))


def _read_simple(reading: _Reading) -> None:
    """Options that are a setting of another name."""
    out = reading.out
    for name, key in TEXTS.items():
        if given := reading.pop(name):
            out.take(shown(name, [given]), key, given)
    for name, (key, kind, default) in NUMBERS.items():
        is_given = name in reading.options
        number = reading.number(name, kind, default)
        if number is not None:
            out.take(f"--{name} {number:g}", key, number, "" if is_given else THEIR_DEFAULT)
    for name, (key, on, off) in SWITCHES.items():
        is_on = reading.options.pop(name, None) is not None
        if is_on or off is not None:
            out.take(f"--{name}", key, on if is_on else off, "" if is_on else "not given")
    for name, (key, choices, usual) in CHOICES.items():
        given = reading.pop(name)
        chosen = choices.get(given if given is not None else usual or "")
        if chosen:
            out.take(f"--{name} {given or usual}", key, chosen, "" if given is not None else THEIR_DEFAULT)
        elif given is not None:
            out.leave(shown(name, [given]), f"expected one of {', '.join(choices)}")
        if name == "lr_scheduler" and given == "constant":
            reading.options.pop("lr_warmup_steps", None)  # theirs has none then


def _read_name(reading: _Reading) -> None:
    given = reading.pop("output_name")
    if not given:
        return
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", given).strip("-._")[:64]
    with contextlib.suppress(ValueError):  # nothing is left of it: the form asks for a name
        reading.out.take(shown("output_name", [given]), "name", check_name(plain))


def _read_blocks(reading: _Reading) -> None:
    """Which layers learn. Theirs are all linears of a block; ours leave the modulation alone unless told."""
    out = reading.out
    reading.options = {name: values for name, values in reading.options.items() if (name, values) != AS_HERE}
    module = reading.pop("network_module") or "networks.lora_flux"
    if module != "networks.lora_flux":
        out.leave(f"--network_module {module}", "a LoRA is trained in its place")
    out.take("the layers that theirs trains", "lora.targets", "all+modulation")
    kinds: dict[str, str] = {}
    for name, value in _split_pairs(reading.options.pop("network_args", [])):
        theirs, match = f"--network_args {name}={value}", re.fullmatch(r"train_(double|single)_block_indices", name)
        if name == "train_blocks" and value in ("double", "single", "all"):
            out.take(theirs, "lora.blocks", value)
        elif name == "rank_dropout":
            out.take(theirs, "lora.dropout", _number_or(value, 0.0))
        elif match:
            kinds[match[1]] = value
        elif name in ("verbose", "split_qkv"):
            out.same.append(f"network_args {name}")
        else:
            out.leave(theirs, find_reason("scale_weight_norms"))
    if kinds:
        named = {"double": "all", "single": "all"} | kinds
        parts = [
            kind if said == "all" else f"{kind} {said.replace(',', ' ')}" for kind, said in named.items() if said != "none"
        ]
        out.take("--network_args train_..._block_indices", "lora.blocks", ", ".join(parts))


def _read_optimizer(reading: _Reading) -> None:
    out = reading.out
    given = reading.pop("optimizer_type")
    for flag, stands_for in (("use_8bit_adam", "AdamW8bit"), ("use_lion_optimizer", "Lion")):
        given = stands_for if reading.options.pop(flag, None) is not None else given
    name = (given or "AdamW").rpartition(".")[2]
    known = OPTIMIZERS.get(name.lower())
    arguments = _split_pairs(reading.options.pop("optimizer_args", []))
    _read_rate(reading)
    if not known:
        out.leave(shown("optimizer_type", [name]), f"expected one of {', '.join(OPTIMIZERS)}; adamw is taken")
        for key, value in arguments:
            out.leave(f"--optimizer_args {key}={value}", f"it is for {name}")
        return
    ours, decay, beta2 = known
    out.take(f"--optimizer_type {name}", "train.optimizer", ours, "" if given else THEIR_DEFAULT)
    numbers = {"weight_decay": decay, "beta2": beta2}
    said = set()
    for key, value in arguments:
        parts = [float(part) for part in re.findall(r"[-+]?\d*\.?\d+(?:[eE][-+]?\d+)?", value)]
        said |= {key} if OPTIMIZER_SAME.get(key) == value.lower().removesuffix(".0") else set()
        if key == "betas" and len(parts) >= 2:
            numbers |= {"beta1": parts[0], "beta2": parts[1]}
        elif key in ("weight_decay", "eps") and len(parts) == 1:
            numbers[key] = parts[0]
        elif key not in said:
            out.leave(f"--optimizer_args {key}={value}", "there is no such setting here")
    out.same += [f"optimizer_args {key}" for key in sorted(said)]
    if ours == "adafactor" and "relative_step" not in said:
        out.leave(
            "--optimizer_args relative_step=False is not given",
            "theirs then finds the rate itself; here it is the one that is set",
        )
    for key, number in numbers.items():
        is_given = any(key == each or (each == "betas" and key.startswith("beta")) for each, _ in arguments)
        out.take(f"{name}'s {key} {number:g}", OPTIMIZER_NUMBERS[key], number, "" if is_given else THEIR_DEFAULT)


def _read_rate(reading: _Reading) -> None:
    given = {name: reading.number(name, float) for name in ("learning_rate", "unet_lr")}
    rate = next((rate for rate in (given["unet_lr"], given["learning_rate"]) if rate is not None), None)
    note = THEIR_DEFAULT if rate is None else ""
    reading.out.take("--unet_lr" if given["unet_lr"] else "--learning_rate", "train.learning_rate", rate or THEIR_RATE, note)


def _read_warmup(reading: _Reading) -> None:
    given = reading.pop("lr_warmup_steps")
    if not given:
        return
    number = _number_or(given, -1.0)
    if number >= 0 and number.is_integer():
        reading.out.take(f"--lr_warmup_steps {given}", "train.warmup_steps", int(number))
    else:
        reading.options["lr_warmup_steps"] = [given]  # a share of all steps, of which nothing is known yet


def _read_timesteps(reading: _Reading) -> None:
    """How noise levels are drawn. A shift by s moves a draw by ln s where it is normal before its sigmoid."""
    out, given = reading.out, reading.pop("timestep_sampling")
    way, shift = given or "sigma", reading.number("discrete_flow_shift", float, 3.0)
    scheme = reading.pop("weighting_scheme") or "uniform"
    mean, width = reading.number("logit_mean", float, 0.0), reading.number("logit_std", float, 1.0)
    theirs, note = f"--timestep_sampling {way}", "" if given else THEIR_DEFAULT
    if way in ("uniform", "sigmoid", "shift", "flux_shift"):
        out.take(theirs, "train.timesteps", way)
        if way == "shift":
            out.take(f"--discrete_flow_shift {shift:g}", "train.shift", shift)
    elif scheme in ("uniform", "none", "logit_normal", "sigma_sqrt", "cosmap"):
        is_normal = scheme == "logit_normal"
        near = note if is_normal else "the nearest to a uniform draw that is shifted"
        out.take(f"{theirs}, {scheme}, shift {shift:g}", "train.timesteps", "logit_normal", near)
        centre = math.log(max(shift, 1e-6)) - (mean if is_normal else 0.0)
        out.take(f"--discrete_flow_shift {shift:g}", "train.logit_mean", round(centre, 4))
        out.take(f"{scheme}", "train.logit_std", width if is_normal else LIKE_UNIFORM)
    else:
        out.leave(f"{theirs} --weighting_scheme {scheme}", "no draw here is like it; flux_shift is taken")
    if scheme in ("sigma_sqrt", "cosmap"):
        out.leave(f"--weighting_scheme {scheme}", "no loss is weighted by its noise level here")
    kind = reading.pop("model_prediction_type")
    if kind == "raw":
        out.same.append("model_prediction_type raw")
    else:
        why = "the model's own prediction counts here, as FLUX was trained; theirs is raw for that"
        out.leave(f"--model_prediction_type {kind or 'sigma_scaled'}" + ("" if kind else " (their default)"), why)
    schedule = reading.pop("huber_schedule") or "snr"
    if out.values.get("train.loss") not in ("huber", "smooth_l1"):
        return
    if schedule in ("constant", "exponential"):
        out.take(f"--huber_schedule {schedule}", "train.huber_schedule", schedule)
    else:
        out.leave(f"--huber_schedule {schedule}", "expected constant or exponential; constant is taken")


def _read_data(reading: _Reading) -> None:
    """Which images, how large, and how many are in a step: of one process, and before gradients are added up, in theirs."""
    out = reading.out
    sides = reading.pop("resolution")
    if sides:
        try:
            out.take(shown("resolution", [sides]), "data.resolution", parse_sides(sides))
        except ValueError as error:
            out.leave(shown("resolution", [sides]), str(error))
    if "masked_loss" in reading.options and "conditioning_data_dir" in reading.options:
        reading.options.pop("masked_loss")
        out.take("--conditioning_data_dir", "data.masks", reading.pop("conditioning_data_dir"))
    if out.values.get("data.folder"):
        out.take("--train_data_dir", "data.folder", out.values["data.folder"], "its N_name folders say the repeats")
    named, batch = reading.pop("dataset_config"), None
    if named:
        source = reading.sources.find(named)
        if source:
            batch = read_dataset(source, out)
        else:
            out.leave(shown("dataset_config", [named]), "the file is not here; give it as well")
    given = reading.number("train_batch_size", int, 1) if batch is None else batch
    reading.options.pop("train_batch_size", None)
    pieces, processes = reading.number("gradient_accumulation_steps", int, 1), reading.number("num_processes", int, 1)
    factors = [f"{factor} {word}" for factor, word in ((pieces, "accumulated"), (processes, "processes")) if factor > 1]
    out.take(" x ".join([f"batch size {given}", *factors]), "data.batch_size", given * pieces * processes)
    if pieces > 1:
        out.take(f"--gradient_accumulation_steps {pieces}", "train.accumulation", pieces)
    reading.steps_per_epoch = _count_steps(out)


def _count_steps(out: Imported) -> float | None:
    """Steps of an epoch, where the images are on this machine."""
    folder = find_folder(str(out.values.get("data.folder", "")))
    try:
        found = read_layout(folder or Path(str(out.values["data.folder"]))).found
    except (DatasetError, OSError, ValueError, KeyError):
        return None
    shown_images = sum(out.values.get("data.repeats", 1) if each.repeats is None else each.repeats for each in found)
    return max(1.0, shown_images / out.values["data.batch_size"]) if found else None


def _read_length(reading: _Reading) -> None:
    """Epochs, out of steps where they say no more; and a warm-up that is a share of all steps."""
    out, per_epoch = reading.out, reading.steps_per_epoch
    epochs, steps = reading.number("max_train_epochs", int), reading.number("max_train_steps", int, None)
    if epochs:
        out.take(f"--max_train_epochs {epochs}", "train.epochs", epochs)
    else:
        theirs = f"--max_train_steps {steps or THEIR_STEPS}" + ("" if steps else f" ({THEIR_DEFAULT})")
        if per_epoch:
            epochs = max(1, round((steps or THEIR_STEPS) / per_epoch))
            out.take(theirs, "train.epochs", epochs, f"at {per_epoch:g} steps an epoch")
        else:
            out.leave(theirs, "epochs are counted here, and the images are not on this machine: look at the plan's total steps")
    if "lr_warmup_steps" not in reading.options:
        return
    given = reading.pop("lr_warmup_steps") or ""
    share = _number_or(given, -1.0)
    if 0 <= share < 1 and per_epoch and epochs:
        out.take(f"--lr_warmup_steps {given}", "train.warmup_steps", round(share * per_epoch * epochs), "a share of all steps")
    else:
        out.leave(shown("lr_warmup_steps", [given]), "steps are counted here: set train.warmup_steps by the plan's total steps")


def _read_samples(reading: _Reading) -> None:
    out, named = reading.out, reading.pop("sample_prompts")
    if not named:
        return
    source, theirs = reading.sources.find(named), shown("sample_prompts", [named])
    if source is None or not source.name.endswith(".txt"):
        out.leave(theirs, "expected a .txt with one prompt a line" if source else "the file is not here; give it as well")
        return
    prompts = [line.strip() for line in source.text.splitlines() if line.strip() and not line.startswith("#")]
    good = []
    for prompt in prompts:
        try:
            parse_prompt(prompt, Picture(""))
            good.append(prompt)
        except ValueError as error:
            out.leave(f"{source.name}: {prompt[:80]}", str(error))
    out.take(theirs, "sample.prompts", good)


def _read_saving(reading: _Reading) -> None:
    """A state goes with each LoRA file in theirs, where that is asked for; else as it is usual here, for safety."""
    if reading.options.pop("save_state", None) is None:
        return
    if every := reading.out.values.get("save.every_epochs"):
        reading.out.take("--save_state", "save.state_every_epochs", every)
    else:
        reading.out.same.append("save_state")


def _split_pairs(words: list[str]) -> list[tuple[str, str]]:
    pairs = (word.partition("=") for word in words)
    return [(name.strip(), value.strip().strip("'\"")) for name, _, value in pairs]


def _number_or(text: str, otherwise: float) -> float:
    try:
        return float(text)
    except ValueError:
        return otherwise
