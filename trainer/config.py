"""What can be set for one training: typed, each field with its unit, range and meaning. Imports no torch.

One TOML file per run, `outputs/<name>/config.toml`. Unknown keys and wrong types are refused; nothing is guessed.
Paths are taken from the folder in which the trainer is started.
"""

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import tomli_w
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from trainer.block_choice import parse_blocks
from trainer.explain import explain
from trainer.folder import check_name
from trainer.prompts import Picture, parse_prompt
from trainer.slurm import check_lines, check_memory, check_time_limit
from trainer.slurm import check_name as check_slurm_name
from trainer.unusable import Unusable


class ConfigError(Unusable):
    """A config that cannot be used. `problems` holds one sentence for each field that is wrong."""

    def __init__(self, source: str, problems: list[str]):
        super().__init__(f"{source} cannot be used", problems)
        self.source = source


class Section(BaseModel):
    """Base of all sections: strict types, no unknown keys, no changes after reading."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, validate_default=True)


class Model(Section):
    base: str = Field(
        min_length=1,
        description="FLUX.1 or FLUX.2 klein: a folder in diffusers format, a name on the Hugging Face Hub, "
        "or a .safetensors file with the transformer, such as flux1-dev.safetensors.",
    )
    transformer: str | None = Field(None, description="File (or folder) of the transformer, in place of the base's.")
    vae: str | None = Field(None, description="File (or folder) of the VAE, such as ae.safetensors. Unset: the base's.")
    clip: str | None = Field(None, description="FLUX.1: file (or folder) of CLIP-L, such as clip_l.safetensors.")
    t5: str | None = Field(None, description="FLUX.1: file (or folder) of T5-XXL, such as t5xxl_fp16.safetensors.")
    qwen: str | None = Field(None, description="FLUX.2 klein: file (or folder) of Qwen3, such as qwen_3_4b.safetensors.")
    tokenizers: str | None = Field(
        None, description="Folder that holds tokenizer/ (and tokenizer_2/), or a name on the Hub. Unset: the base's."
    )
    dtype: Literal["auto", "bf16", "fp32"] = Field(
        "auto",
        description="Numbers of the frozen base. auto: bf16 on a GPU that has it, fp32 on a CPU. The LoRA is always fp32.",
    )
    quantise: Literal["auto", "none", "int8", "fp8", "nf4"] = Field(
        "auto",
        description="How the frozen blocks are kept: none as they are, int8 and fp8 in half the memory, nf4 in a quarter. "
        "auto: as memory.preset needs, on a CPU none.",
    )
    matmul_8bit: bool = Field(
        False,
        description="Multiply in 8 bits as well, forward and backward: faster, less exact. With quantise int8 or fp8; int8 is "
        "the more exact one.",
    )
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="Where to train. auto: the GPU, where there is one.")
    max_sequence_length: int | None = Field(
        None, ge=8, le=512, description="Tokens per caption. Unset: what the model was trained with (512; schnell: 256)."
    )

    @model_validator(mode="after")
    def _has_8_bits_to_multiply(self) -> Self:
        if self.matmul_8bit and self.quantise not in ("int8", "fp8"):
            expected = "quantise 'int8' (RTX 30 series, A100 and newer) or 'fp8' (RTX 40 series, H100 and newer)"
            raise ValueError(f"got matmul_8bit with quantise '{self.quantise}', expected {expected}")
        return self


Side = Annotated[int, Field(ge=64, le=2048, multiple_of=16)]


class Data(Section):
    folder: str = Field(
        min_length=1,
        description="Images, each with its caption beside it in a .txt file of the same name; or N_name folders, "
        "a metadata.jsonl, or a dataset.toml.",
    )
    resolution: Side | Annotated[list[Side], Field(min_length=1, max_length=8)] = Field(
        512,
        description="Side in px of a square with as many pixels as an image is learned at; no image is enlarged. "
        "Several: each image at each that it reaches.",
    )
    buckets: bool = Field(
        True, description="Images keep their shape, to the next 16 px of each side. false: all are cropped to squares."
    )
    repeats: int = Field(
        10, ge=1, le=1000, description="How often each image is shown in one epoch. Folders may say it themselves."
    )
    batch_size: int = Field(1, ge=1, le=64, description="Images in one step, regularisation images included.")
    flip: bool = Field(False, description="Half of the time an image is shown mirrored, left for right.")
    caption_dropout: float = Field(
        0, ge=0, le=1, description="Share of one's own images that are shown without their caption, such as 0.05."
    )
    shuffle_tags: bool = Field(False, description="Captions are lists with commas, shown in changing order.")
    keep_tags: int = Field(0, ge=0, le=100, description="How many tags stay in front when they are shuffled.")
    masks: str | None = Field(
        None,
        min_length=1,
        description="Folder of masks, each with its image's name: white counts, black does not. 'alpha': see-through parts "
        "do not. Unset: a cat-masklabel.png beside cat.jpg is its mask.",
    )
    mask_floor: float = Field(0, ge=0, le=1, description="How much the black of a mask counts.")
    validation_images: int = Field(
        0, ge=0, le=100, description="Images held out of training, on which the validation loss is measured."
    )
    regularisation: str | None = Field(
        None, description="Folder of ordinary images with captions, mixed in so that the rest of the model stays what it was."
    )
    regularisation_images: int = Field(0, ge=0, le=63, description="How many images of each batch are regularisation images.")
    regularisation_weight: float = Field(1, gt=0, le=10, description="What a regularisation image counts where one's own is 1.")

    @property
    def resolutions(self) -> list[int]:
        """The sides in px, the smallest first."""
        return sorted(set(self.resolution)) if isinstance(self.resolution, list) else [self.resolution]

    @model_validator(mode="after")
    def _regularisation_fits(self) -> Self:
        got = f"got regularisation_images {self.regularisation_images}"
        if self.regularisation_images and not self.regularisation:
            raise ValueError(f"{got} without regularisation, expected a folder of ordinary images with captions there")
        if self.regularisation_images >= self.batch_size:
            raise ValueError(f"{got} of batch_size {self.batch_size}, expected at least one image of one's own in a batch")
        return self


class Lora(Section):
    rank: int = Field(16, ge=1, le=256, description="Rank of the LoRA: size of the file and room to learn.")
    alpha: float = Field(
        16, gt=0, le=512, description="Scale of the LoRA is alpha / rank; it is folded into the saved weights."
    )
    targets: Literal["all", "attention", "all+modulation"] | Annotated[list[str], Field(min_length=1)] = Field(
        "all",
        description="all: attention and MLP linears. attention: those alone. all+modulation: every linear of a block. "
        "Or a list of names as diffusers has them, or their ends: ['to_q', 'ff.net.2'].",
    )
    blocks: str = Field("all", description="Which blocks learn: all, or as in 'double 0-18, single 7 20'.")
    dropout: float = Field(0, ge=0, le=0.9, description="Share of the ranks that sit out, anew for each layer, image and step.")
    start_from: str | None = Field(
        None, description="A LoRA's .safetensors of any tool to go on from, of lora.rank or less. Unset: from nothing."
    )

    @field_validator("blocks")
    @classmethod
    def _blocks_can_be_read(cls, blocks: str) -> str:
        parse_blocks(blocks)
        return blocks


class Train(Section):
    epochs: int = Field(16, ge=1, le=10_000, description="Passes over the data set.")
    learning_rate: float = Field(1e-4, gt=0, le=1, description="The optimizer's step size; prodigy takes none.")
    optimizer: Literal["adamw", "adamw8bit", "adafactor", "prodigy", "schedule_free", "lion"] = Field(
        "adamw",
        description="How gradients become steps. prodigy finds the learning rate, schedule_free averages by itself; "
        "adamw8bit and adafactor take less memory; lion wants a third of the learning rate.",
    )
    schedule: Literal["constant", "linear", "cosine", "cosine_with_restarts"] = Field(
        "constant", description="How the learning rate falls, from the end of the warm-up to 0 after the last step."
    )
    cycles: int = Field(3, ge=1, le=1000, description="How often cosine_with_restarts falls.")
    warmup_steps: int = Field(0, ge=0, le=100_000, description="Steps over which the learning rate rises to its value.")
    decay: float = Field(
        0, ge=0, le=1, description="Share of all steps, at the end, over which a constant learning rate falls to 0 after all."
    )
    weight_decay: float = Field(1e-4, ge=0, le=1, description="How much of itself a weight loses per step and learning rate.")
    beta1: float = Field(0.9, gt=0, le=0.999, description="How much of the gradients' average is kept in each step.")
    beta2: float = Field(0.99, gt=0, le=0.99999, description="How much of the squared gradients' average is kept in each step.")
    eps: float = Field(1e-8, gt=0, le=1e-3, description="Added to the root of the squared gradients' average.")
    ema: float = Field(
        0,
        ge=0,
        le=0.99999,
        description="How much of the weights' moving average is kept in each step, such as 0.99. Samples, validation and "
        "LoRA files are then made with the average; 0: none.",
    )
    max_grad_norm: float = Field(
        1.0, ge=0, le=1000, description="Gradients of the LoRA are clipped to this norm; 0: not at all."
    )
    guidance: float = Field(1.0, ge=0, le=10, description="Guidance value fed to the model in training.")
    timesteps: Literal["shift", "flux_shift", "sigmoid", "uniform", "logit_normal"] = Field(
        "flux_shift",
        description="How the noise levels are drawn. flux_shift: more noise the larger the image, as FLUX was trained; "
        "shift: by the number in shift; sigmoid: the middle; logit_normal: around logit_mean; uniform: all alike.",
    )
    shift: Annotated[float, Field(gt=0, le=20)] | Literal["auto"] = Field(
        "auto", description="Shift of the noise levels towards noise. auto: the model's rule, by the number of image tokens."
    )
    sigmoid_scale: float = Field(
        1.0, gt=0, le=10, description="Width of shift, flux_shift and sigmoid: above 1 more of the extremes."
    )
    logit_mean: float = Field(0.0, ge=-5, le=5, description="Centre of logit_normal: above 0 towards noise.")
    logit_std: float = Field(1.0, gt=0, le=10, description="Width of logit_normal.")
    loss: Literal["l2", "huber", "smooth_l1"] = Field(
        "l2", description="How an error counts. huber and smooth_l1: large ones only by their size, not by its square."
    )
    huber_delta: float = Field(0.1, gt=0, le=10, description="From which error on huber and smooth_l1 stop squaring.")
    huber_schedule: Literal["constant", "exponential"] = Field(
        "constant", description="exponential: huber_delta holds for pure noise, and rises to 1 for the image itself."
    )
    accumulation: Annotated[int, Field(ge=1, le=64)] | Literal["auto"] = Field(
        "auto",
        description="Pieces in which each process passes its share of a batch, for less memory; same result. auto: one, or as "
        "many as memory.preset needs.",
    )
    seed: int = Field(
        42, ge=0, le=2**31 - 1, description="Fixes the order of the images, the noise and the LoRA's first weights."
    )
    gradient_checkpointing: bool | Annotated[int, Field(ge=0, le=1000)] | Literal["auto"] = Field(
        "auto",
        description="Blocks that are computed twice instead of kept: true all, false none, or so many. Less memory, up to a "
        "third more time. auto: as many as memory.preset needs.",
    )

    @model_validator(mode="before")
    @classmethod
    def _a_number_is_a_shift(cls, values: Any) -> Any:
        """Settings from before there was a choice hold no more than a number in `shift`."""
        if isinstance(values, dict) and "timesteps" not in values and values.get("shift", "auto") != "auto":
            return {**values, "timesteps": "shift"}
        return values

    @model_validator(mode="after")
    def _nothing_works_against_another(self) -> Self:
        if self.timesteps == "flux_shift" and self.shift != "auto":
            raise ValueError(f"got shift {self.shift} with timesteps flux_shift, expected timesteps 'shift', or shift 'auto'")
        if self.schedule != "constant" and self.decay:
            raise ValueError(f"got decay {self.decay} with schedule {self.schedule}, which falls anyway; expected decay 0")
        if self.optimizer == "schedule_free":
            falls = f"schedule {self.schedule}" if self.schedule != "constant" else f"decay {self.decay}" if self.decay else ""
            if falls:
                raise ValueError(f"got {falls} with optimizer schedule_free, expected schedule 'constant' and decay 0")
            if self.ema:
                raise ValueError(f"got ema {self.ema} with optimizer schedule_free, which averages by itself; expected ema 0")
        return self


class Sample(Section):
    prompts: list[str] = Field(
        default_factory=list,
        max_length=50,
        description="One picture each, every time samples are made; behind a text options as in kohya: --w --h --s --d.",
    )
    prompts_file: str | None = Field(None, description="File with more prompts, one on each line, in the same syntax.")
    every_epochs: int = Field(1, ge=0, le=10_000, description="Epochs between samples; 0: not by epoch.")
    every_steps: int = Field(0, ge=0, le=1_000_000, description="Steps between samples; 0: not by step.")
    steps: int = Field(20, ge=1, le=100, description="Denoising steps of one picture.")
    guidance: float = Field(3.5, ge=0, le=10, description="Guidance value when sampling.")
    width: int = Field(512, ge=64, le=2048, multiple_of=16, description="px")
    height: int = Field(512, ge=64, le=2048, multiple_of=16, description="px")
    seed: int = Field(42, ge=0, le=2**31 - 1, description="Seed of the first prompt; each further prompt has the next.")

    @field_validator("prompts")
    @classmethod
    def _prompts_can_be_read(cls, prompts: list[str]) -> list[str]:
        for prompt in prompts:
            parse_prompt(prompt, Picture(""))
        return prompts


class Save(Section):
    every_epochs: int = Field(4, ge=0, le=10_000, description="Epochs between LoRA files; 0: the final one only.")
    state_every_epochs: int = Field(
        4,
        ge=0,
        le=10_000,
        description="Epochs between states to resume from, and one at the end; 0: only when stopped or asked.",
    )
    keep_states: int = Field(2, ge=0, le=1000, description="How many states are kept, the newest; 0: all.")
    dtype: Literal["bf16", "fp16", "fp32"] = Field("bf16", description="Numbers in the LoRA files.")
    kohya: bool = Field(False, description="Each LoRA also in kohya's form, in the folder kohya; every tool loads the other.")


class Memory(Section):
    preset: Literal["auto", "24", "16", "12", "8", "off"] = Field(
        "auto",
        description="GB of GPU memory for which everything that is 'auto' is chosen: the base's bits, checkpointing, pieces, "
        "swapped blocks. auto: what is free. off: nothing is chosen, and when memory runs out the training ends.",
    )
    swapped_blocks: Annotated[int, Field(ge=0, le=1000)] | Literal["auto"] = Field(
        "auto", description="Blocks of the base that wait in the host's memory until they are needed: less memory, more time."
    )


class Speed(Section):
    compile: bool | Literal["auto"] = Field(
        "auto", description="Compile the model's blocks: faster steps after a slow first one. auto: where it repays itself."
    )
    attention: Literal["auto", "native", "flash", "cudnn"] = Field(
        "auto", description="Kernels of attention on a GPU. native: PyTorch's own choice. auto: the fastest that is allowed."
    )
    deterministic: bool = Field(
        True,
        description="Sums in the same order each time, so that a resumed training is the same bit for bit; on a GPU slower.",
    )


class Log(Section):
    speed_every: int = Field(
        50, ge=0, le=1_000_000, description="Steps between two lines about speed and memory, the first after 10; 0: none."
    )
    rotate_mb: float = Field(
        200, ge=0, le=1_000_000, description="Size of training.log in MB from which on it moves to logs/, packed; 0: never."
    )


SlurmName = Annotated[str, AfterValidator(check_slurm_name)]


class Slurm(Section):
    """What a run's job is asked for on a cluster. Says nothing of how it trains."""

    partition: SlurmName = Field("", description="Partition of the cluster, its queue. Empty: the cluster's default.")
    account: SlurmName = Field("", description="Account that pays for the job. Empty: your default.")
    qos: SlurmName = Field("", description="Quality of service (QOS) of the job. Empty: your default.")
    nodes: int = Field(1, ge=1, le=1024, description="Machines that train together.")
    gpus: int = Field(1, ge=0, le=64, description="GPUs on each node, each with a process of its own; 0: on the CPU.")
    cpus: int = Field(4, ge=1, le=1024, description="CPU cores on each node.")
    memory: Annotated[str, AfterValidator(check_memory)] = Field(
        "", description="Main memory on each node, such as 64G; 0: all of it. Empty: what the cluster gives."
    )
    time_limit: Annotated[str, AfterValidator(check_time_limit)] = Field(
        "",
        description="How long one job may take: 2:00:00, 1-12:00:00, or minutes. Shortly before, the training saves its state; "
        "it goes on in the next. Empty: the partition's.",
    )
    lines: Annotated[list[str], AfterValidator(check_lines)] = Field(
        default_factory=list,
        max_length=100,
        description="More lines of the job's script. Those that begin with #SBATCH are options; others, such as module load "
        "cuda, run before the training.",
    )


class Config(Section):
    """Everything that one training needs to know."""

    name: str = Field(description="Name of the run, of its folder and of the LoRA.")
    trigger: str = Field(
        "", max_length=200, description="Word that calls the concept. Replaces [trigger]; caption of images without."
    )
    model: Model
    data: Data
    lora: Lora = Field(default_factory=Lora)
    train: Train = Field(default_factory=Train)
    sample: Sample = Field(default_factory=Sample)
    save: Save = Field(default_factory=Save)
    memory: Memory = Field(default_factory=Memory)
    speed: Speed = Field(default_factory=Speed)
    log: Log = Field(default_factory=Log)
    slurm: Slurm = Field(default_factory=Slurm)

    @field_validator("name")
    @classmethod
    def _name_can_be_a_folder(cls, name: str) -> str:
        return check_name(name)


_MILD = ("epochs", "learning_rate", "schedule", "cycles", "warmup_steps", "decay", "max_grad_norm")
MAY_CHANGE = (*(f"train.{name}" for name in _MILD), "speed.compile")
"""The settings under which a training may go on that began under others; all else that its numbers depend on stays."""


def parse_config(values: dict[str, Any], source: str = "config") -> Config:
    """Checked settings from plain values. Raises ConfigError with one sentence for each problem."""
    try:
        return Config.model_validate(values)
    except ValidationError as error:
        problems = (explain(dict(problem), Config) for problem in error.errors())
        raise ConfigError(source, list(dict.fromkeys(problems))) from error  # each choice of a union complains, of the same


def load_config(path: Path) -> Config:
    """Checked settings from a TOML file. Raises ConfigError when it is missing, is no TOML, or is wrong."""
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        is_missing = isinstance(error, FileNotFoundError)
        got = "nothing there" if is_missing else getattr(error, "strerror", None) or f"no UTF-8 text ({error})"
        raise ConfigError(str(path), [f"cannot be read: got {got}, expected a .toml file of settings"]) from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(str(path), [f"is not TOML: {error}"]) from error
    return parse_config(values, str(path))


def dump_config(config: Config) -> str:
    """The settings as TOML, defaults written out; load_config reads back the same."""
    return tomli_w.dumps(config.model_dump(exclude_none=True))
