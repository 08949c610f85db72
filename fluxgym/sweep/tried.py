"""What the Train page tries in several runs, kept as it is typed, `train.learning_rate=1e-4, 4e-4` on a line for each setting.

And what comes of it: the runs, or what is wrong."""

from dataclasses import dataclass, field

from fluxgym.form import form
from fluxgym.form.catalogue import Setting
from fluxgym.form.check import find_shapes
from fluxgym.sweep.axis import Axis, SweepError, list_choices, make_axis
from fluxgym.sweep.begin import find_missing
from fluxgym.sweep.grid import Trial, plan_sweep, with_values
from fluxgym.sweep.reader import Reader
from trainer.buckets import Size
from trainer.config import Config, ConfigError
from trainer.plan import list_entries

FIRST = ("train.learning_rate", "lora.rank", "lora.alpha", "train.epochs", "data.repeats", "data.batch_size", "train.seed")
Texts = dict[str, str]  # what was typed, by setting


@dataclass(frozen=True)
class Tried:
    """A sweep as the form stands. It can be begun when `problems` is empty."""

    texts: Texts
    problems: list[str] = field(default_factory=list)  # of all of it
    wrong: dict[str, str] = field(default_factory=dict)  # by the setting whose values cannot be read
    axes: list[Axis] = field(default_factory=list)
    trials: list[Trial] = field(default_factory=list)
    missing: list[Trial] = field(default_factory=list)  # those that are not begun yet

    @property
    def can_begin(self) -> bool:
        return bool(self.missing) and not self.problems and not self.wrong

    @property
    def total_steps(self) -> int:
        """Of those that are not begun yet."""
        return sum(trial.plan.total_steps for trial in self.missing if trial.plan)


def read_texts(values: form.Values) -> Texts:
    """What was typed; a setting of a later version, or one that is no more, is left out."""
    known = {setting.key for setting in list_choices()}
    pairs = (line.partition("=") for line in str(values.get(form.TRIED) or "").splitlines())
    return {key: text for key, _, text in pairs if key in known}


def write_texts(texts: Texts) -> form.Values:
    """The form's value that holds them."""
    return {form.TRIED: "\n".join(f"{key}={' '.join(text.split())}" for key, text in texts.items())}


def begin_text(setting: Setting, values: form.Values) -> str:
    """What is typed first for a setting: its value as it stands."""
    value = values[setting.key]
    return (
        ""
        if value in (None, "", [])
        else f"[{', '.join(map(repr, value))}]"
        if isinstance(value, list)
        else setting.show(value)
    )


def list_untried(texts: Texts) -> list[Setting]:
    """The settings that can still be chosen, those that are mostly tried first."""
    settings = {setting.key: setting for setting in list_choices() if setting.key not in texts}
    first = [settings.pop(key) for key in FIRST if key in settings]
    return [*first, *settings.values()]


def check_tried(values: form.Values, config: Config | None) -> Tried:
    """What comes of what was typed; `config`: the form's own, None while something is wrong with that."""
    texts = read_texts(values)
    wrong: dict[str, str] = {}
    axes: list[Axis] = []
    for key, text in texts.items():
        try:
            axes.append(make_axis(key, text))
        except SweepError as error:
            wrong[key] = str(error).removeprefix(f"{key}: ")
    if config:
        wrong |= {axis.key: problem for axis in axes if (problem := _find_wrong(config, axis))}
    if wrong or not axes or config is None:
        return Tried(texts, [], wrong, axes)
    try:
        trials = plan_sweep(config, axes, Reader(lambda config: find_shapes(config.data.folder)).plan)
        return Tried(texts, [], wrong, axes, trials, find_missing(config.name, trials))
    except SweepError as error:
        return Tried(texts, error.problems, wrong, axes)


def _find_wrong(config: Config, axis: Axis) -> str:
    """What is wrong with the first value that cannot be one of this setting, whatever the others are."""
    for value in axis.values:
        try:
            with_values(config, {axis.key: value})
        except ConfigError as error:
            if told := [problem for problem in error.problems if problem.startswith(f"{axis.key}: ")]:
                return told[0].removeprefix(f"{axis.key}: ")
    return ""


def find_hardest(trials: list[Trial]) -> tuple[Trial, list[Size]]:
    """The run that needs most memory, as far as that is seen at once: by the pixels of a batch, then by its rank. And the sizes
    in px of its images."""
    sizes = {trial.name: _list_sizes(trial.config) for trial in trials}

    def weigh(trial: Trial) -> tuple[int, int]:
        largest = max((width * height for width, height in sizes[trial.name]), default=0)
        return largest * trial.config.data.batch_size, trial.config.lora.rank

    hardest = max(trials, key=weigh)
    return hardest, sizes[hardest.name]


def _list_sizes(config: Config) -> list[Size]:
    return [entry.bucket for shape in find_shapes(config.data.folder) for entry in list_entries(config.data, shape)]
