"""FluxGym's scripts and others', as settings of ours: what is taken, in which unit, and that nothing is dropped in silence."""

import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fluxgym.form import form, kohya_table
from fluxgym.form.catalogue import find_setting
from fluxgym.form.imported import Imported, ImportFailed
from fluxgym.form.kohya_import import LIKE_UNIFORM, read_kohya
from fluxgym.form.kohya_script import Command, read_script
from fluxgym.form.sources import Source, Sources

pytestmark = pytest.mark.usefixtures("outputs")

FLUXGYM = r"""accelerate launch \
  --mixed_precision bf16 \
  --num_cpu_threads_per_process 1 \
  sd-scripts/flux_train_network.py \
  --pretrained_model_name_or_path "/gym/models/unet/flux1-dev.sft" \
  --clip_l "/gym/models/clip/clip_l.safetensors" \
  --t5xxl "/gym/models/clip/t5xxl_fp16.safetensors" \
  --ae "/gym/models/vae/ae.sft" \
  --cache_latents_to_disk \
  --save_model_as safetensors \
  --sdpa --persistent_data_loader_workers \
  --max_data_loader_n_workers 2 \
  --seed 42 \
  --gradient_checkpointing \
  --mixed_precision bf16 \
  --save_precision bf16 \
  --network_module networks.lora_flux \
  --network_dim 4 \
  --optimizer_type adafactor \
  --optimizer_args "relative_step=False" "scale_parameter=False" "warmup_init=False" \
  --split_mode \
  --network_args "train_blocks=single" \
  --lr_scheduler constant_with_warmup \
  --max_grad_norm 0.0 \--sample_prompts="/gym/outputs/my-cat/sample_prompts.txt" --sample_every_n_steps="250" \
  --learning_rate 8e-4 \
  --cache_text_encoder_outputs \
  --cache_text_encoder_outputs_to_disk \
  --fp8_base \
  --highvram \
  --max_train_epochs 16 \
  --save_every_n_epochs 4 \
  --dataset_config "/gym/outputs/my-cat/dataset.toml" \
  --output_dir "/gym/outputs/my-cat" \
  --output_name my-cat \
  --timestep_sampling shift \
  --discrete_flow_shift 3.1582 \
  --model_prediction_type raw \
  --guidance_scale 1 \
  --loss_type l2
"""
DATASET = """[general]
shuffle_caption = false
caption_extension = '.txt'
keep_tokens = 1

[[datasets]]
resolution = 512
batch_size = 1
keep_tokens = 1

  [[datasets.subsets]]
  image_dir = '/gym/datasets/my-cat'
  class_tokens = 'sks cat'
  num_repeats = 10
"""


def given(**files: str) -> Sources:
    named = {name.replace("__", "."): text for name, text in files.items()}
    return Sources({name: Source(name, text) for name, text in named.items()})


def read(options: str, sources: Sources | None = None) -> Imported:
    return read_kohya(read_script(f"python flux_train_network.py {options}"), sources or Sources())


def left(imported: Imported) -> str:
    return "\n".join(map(str, imported.left))


def test_a_folder_of_fluxgym() -> None:
    sources = given(dataset__toml=DATASET, sample_prompts__txt="a sks cat\n# no\n\nsks cat --d 7 --w 768\n")
    imported = read_kohya(read_script(FLUXGYM), sources)
    assert imported.values == {
        "name": "my-cat",
        "trigger": "sks cat",
        "model.base": "/gym/models/unet/flux1-dev.sft",
        "model.clip": "/gym/models/clip/clip_l.safetensors",
        "model.t5": "/gym/models/clip/t5xxl_fp16.safetensors",
        "model.vae": "/gym/models/vae/ae.sft",
        "model.dtype": "bf16",
        "model.quantise": "fp8",
        "data.folder": "/gym/datasets/my-cat",
        "data.resolution": 512,
        "data.buckets": False,
        "data.repeats": 10,
        "data.batch_size": 1,
        "data.keep_tags": 1,
        "data.shuffle_tags": False,
        "lora.rank": 4,
        "lora.alpha": 1.0,
        "lora.targets": "all+modulation",
        "lora.blocks": "single",
        "train.epochs": 16,
        "train.learning_rate": 8e-4,
        "train.optimizer": "adafactor",
        "train.weight_decay": 0.0,
        "train.beta2": 0.999,
        "train.schedule": "constant",
        "train.cycles": 1,
        "train.max_grad_norm": 0.0,
        "train.guidance": 1.0,
        "train.timesteps": "shift",
        "train.shift": 3.1582,
        "train.loss": "l2",
        "train.gradient_checkpointing": True,
        "train.seed": 42,
        "sample.prompts": ["a sks cat", "sks cat --d 7 --w 768"],
        "sample.every_epochs": 0,
        "sample.every_steps": 250,
        "save.every_epochs": 4,
        "save.dtype": "bf16",
    }
    assert [entry.theirs for entry in imported.left] == ["--network_train_unet_only is not given", "--split_mode"]
    values = form.default_values() | form.adopt(imported.values)
    assert form.find_problems(values) == {}, "it is one that can be started, once its files are here"


def test_each_option_is_taken_told_to_be_so_or_told_to_be_left() -> None:
    """Whatever a script holds is found again somewhere in what is said of it."""
    theirs = {*kohya_table.NUMBERS, *kohya_table.TEXTS, *kohya_table.SWITCHES, *kohya_table.CHOICES, *kohya_table.SAME}
    theirs |= kohya_table.ELSEWHERE.keys() | {
        *kohya_table.KNOWN,
        "optimizer_type",
        "optimizer_args",
        "network_args",
        "save_state",
    }
    theirs |= {"dataset_config", "resolution", "train_batch_size", "max_train_epochs", "sample_prompts", "config_file", "bogus"}
    for name in sorted(theirs - {"network_train_unet_only"}):
        options = {name: ["7"], "network_train_unet_only": []}
        imported = read_kohya(Command("flux_train_network.py", options), Sources())
        without = read_kohya(Command("flux_train_network.py", {"network_train_unet_only": []}), Sources())
        changed = [str(taken) for taken in imported.taken if taken not in without.taken]
        told = [str(entry) for entry in imported.left if entry not in without.left]
        assert changed or told or name in imported.same, name


def test_every_setting_in_the_tables_is_one_of_ours() -> None:
    keys = {key for key, *_ in (*kohya_table.NUMBERS.values(), *kohya_table.SWITCHES.values(), *kohya_table.CHOICES.values())}
    for key in (*keys, *kohya_table.TEXTS.values(), *kohya_table.OPTIMIZER_NUMBERS.values()):
        assert find_setting(key), key
    for key, choices, _ in kohya_table.CHOICES.values():
        setting = find_setting(key)
        assert setting and set(choices.values()) <= set(setting.choices)
    optimizer = find_setting("train.optimizer")
    assert optimizer and {ours for ours, *_ in kohya_table.OPTIMIZERS.values()} <= set(optimizer.choices)


def test_what_a_script_does_not_say_is_their_default() -> None:
    imported = read("--network_train_unet_only")
    values = imported.values
    assert (values["lora.rank"], values["lora.alpha"], values["train.learning_rate"]) == (4, 1, 2e-6)
    assert (values["train.guidance"], values["save.dtype"], values["train.weight_decay"]) == (3.5, "fp32", 0.01)
    assert "train.gradient_checkpointing" not in values and "save.state_every_epochs" not in values, "ours are the safer ones"
    assert "lora.alpha = 1 (their default)" in "\n".join(map(str, imported.taken))
    assert "sigma_scaled (their default)" in left(imported)
    assert "max_train_steps 1600 (their default)" in left(imported)


def test_batches_are_those_of_a_whole_step() -> None:
    script = "accelerate launch --num_processes 2 flux_train_network.py --train_batch_size 3 --gradient_accumulation_steps 4"
    imported = read_kohya(read_script(script), Sources())
    assert (imported.values["data.batch_size"], imported.values["train.accumulation"]) == (24, 4)
    assert "batch size 3 x 4 accumulated x 2 processes: data.batch_size = 24" in map(str, imported.taken)


def test_steps_become_epochs_where_the_images_are_here(tmp_path: Path) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    for number in range(5):
        Image.new("RGB", (64, 64)).save(folder / f"{number}.png")
    dataset = DATASET.replace("/gym/datasets/my-cat", str(folder)).replace("batch_size = 1", "batch_size = 2")
    options = "--dataset_config x/dataset.toml --max_train_steps 260 --lr_warmup_steps 0.1 --lr_scheduler cosine"
    imported = read(options, given(dataset__toml=dataset))
    assert (imported.values["train.epochs"], imported.values["train.warmup_steps"]) == (10, 25)
    assert "at 25 steps an epoch" in "\n".join(map(str, imported.taken))
    gone = read(options, given(dataset__toml=DATASET))
    assert "train.epochs" not in gone.values
    assert "max_train_steps 260" in left(gone) and "lr_warmup_steps 0.1" in left(gone)
    assert read("--lr_warmup_steps 20 --lr_scheduler linear").values["train.warmup_steps"] == 20
    assert "train.warmup_steps" not in read("--lr_warmup_steps 20 --lr_scheduler constant").values, "theirs has none then"


def test_folders_that_say_their_repeats(tmp_path: Path) -> None:
    (tmp_path / "10_cat").mkdir()
    Image.new("RGB", (64, 64)).save(tmp_path / "10_cat" / "a.png")
    imported = read(f"--train_data_dir '{tmp_path}' --resolution 768,1024 --enable_bucket --max_train_steps 100")
    assert (imported.values["data.folder"], imported.values["train.epochs"]) == (str(tmp_path), 10)
    assert (imported.values["data.resolution"], imported.values["data.buckets"]) == (880, True)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("--optimizer_type AdamW8bit", ("adamw8bit", 0.01, 0.999)),
        ("--use_8bit_adam", ("adamw8bit", 0.01, 0.999)),
        ("--optimizer_type bitsandbytes.optim.PagedAdamW8bit --optimizer_args weight_decay=0.1", ("adamw8bit", 0.1, 0.999)),
        ("--optimizer_type Prodigy --optimizer_args betas=0.9,0.99 'weight_decay=0.01' decouple=True", ("prodigy", 0.01, 0.99)),
        ("--optimizer_type schedulefree.AdamWScheduleFree", ("schedule_free", 0.0, 0.999)),
        ('--optimizer_type Lion --optimizer_args "betas=(0.95, 0.98)"', ("lion", 0.0, 0.98)),
    ],
)
def test_optimizers(options: str, expected: tuple[str, float, float]) -> None:
    values = read(options).values
    assert (values["train.optimizer"], values["train.weight_decay"], values["train.beta2"]) == expected


def test_optimizers_that_are_not_here() -> None:
    imported = read("--optimizer_type CAME --optimizer_args a=1")
    assert "train.optimizer" not in imported.values
    assert "CAME" in left(imported) and "a=1" in left(imported)
    assert "relative_step" in left(read("--optimizer_type Adafactor"))
    assert "d_coef=2" in left(read("--optimizer_type Prodigy --optimizer_args d_coef=2"))


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("--timestep_sampling flux_shift", {"train.timesteps": "flux_shift"}),
        ("--timestep_sampling sigmoid --sigmoid_scale 1.5", {"train.timesteps": "sigmoid", "train.sigmoid_scale": 1.5}),
        ("--timestep_sampling shift", {"train.timesteps": "shift", "train.shift": 3.0}),
        (
            "--weighting_scheme logit_normal --logit_mean 0.5 --logit_std 0.8 --discrete_flow_shift 1",
            {"train.timesteps": "logit_normal", "train.logit_mean": -0.5, "train.logit_std": 0.8},
        ),
        ("--discrete_flow_shift 3", {"train.timesteps": "logit_normal", "train.logit_mean": round(math.log(3), 4)}),
    ],
)
def test_noise_levels(options: str, expected: dict[str, object]) -> None:
    values = read(options).values
    assert values | expected == values


def test_what_is_taken_for_a_shifted_uniform_draw_is_within_a_hundredth_of_it() -> None:
    """Their shares of noise levels below a level, and ours."""
    levels, shift = np.linspace(0.001, 0.999, 999), 3.0
    theirs = levels / (shift - (shift - 1) * levels)  # the uniform draw that the shift takes to this level
    logits = (np.log(levels / (1 - levels)) - math.log(shift)) / LIKE_UNIFORM
    ours = np.array([0.5 * (1 + math.erf(logit / math.sqrt(2))) for logit in logits])
    assert float(abs(theirs - ours).max()) < 0.01


def test_blocks() -> None:
    args = (
        "--network_args train_double_block_indices=0-3,7 train_single_block_indices=none rank_dropout=0.1 loraplus_lr_ratio=4"
    )
    imported = read(args)
    assert (imported.values["lora.blocks"], imported.values["lora.dropout"]) == ("double 0-3 7", 0.1)
    assert "loraplus_lr_ratio=4" in left(imported)
    assert read("--network_args train_single_block_indices=1").values["lora.blocks"] == "double, single 1"


def test_several_folders_need_the_file_itself(tmp_path: Path) -> None:
    several = DATASET + "  [[datasets.subsets]]\n  image_dir = '/other'\n  is_reg = false\n"
    imported = read("--dataset_config dataset.toml", given(dataset__toml=several))
    assert "data.folder" not in imported.values and "lay it on this machine" in left(imported)
    file = tmp_path / "dataset.toml"
    file.write_text(several, encoding="utf-8")
    assert read(f"--dataset_config '{file}'").values["data.folder"] == str(file)
    odd = DATASET + "  caption_prefix = 'x'\n  color_aug = true\n  bogus = 1\n"
    told = left(read("--dataset_config dataset.toml", given(dataset__toml=odd)))
    assert "lay it on this machine" in told and "color_aug" in told and "bogus: nothing is called so" in told
    marked = DATASET + "  [[datasets.subsets]]\n  image_dir = '/other'\n  is_reg = true\n"
    imported = read("--dataset_config dataset.toml", given(dataset__toml=marked))
    assert (imported.values["data.folder"], imported.values["data.regularisation"]) == ("/gym/datasets/my-cat", "/other")


@pytest.mark.parametrize(
    "text", ["", "[", "datasets = 3", "[[datasets]]\nsubsets = 1", "[[datasets]]\nresolution = 'x'\n[[datasets.subsets]]"]
)
def test_a_damaged_dataset_toml_is_told(text: str) -> None:
    assert "dataset.toml" in left(read("--dataset_config dataset.toml", given(dataset__toml=text)))


def test_files_that_are_not_here_are_told() -> None:
    imported = read("--dataset_config /no/d.toml --sample_prompts /no/p.txt --config_file /no/c.toml")
    assert [entry.theirs for entry in imported.left if "not here" in entry.why] == [
        "--config_file /no/c.toml",
        "--dataset_config /no/d.toml",
        "--sample_prompts /no/p.txt",
    ]


def test_what_a_config_file_says_counts_less_than_the_command_line() -> None:
    sources = given(c__toml="network_dim = 8\n[x]\nnetwork_alpha = 4\nsave_state = true\nsave_every_n_epochs = 2\n")
    values = read("--config_file somewhere/c --network_dim 64", sources).values
    assert (values["lora.rank"], values["lora.alpha"], values["save.state_every_epochs"]) == (64, 4, 2)


def test_numbers_that_are_none_and_prompts_that_cannot_be_read() -> None:
    imported = read("--network_dim many --sample_prompts p.txt", given(p__txt="a cat --ow 3\na dog\n"))
    assert "got 'many', expected a whole number" in left(imported) and "--ow" in left(imported)
    assert imported.values["sample.prompts"] == ["a dog"]
    assert imported.values["lora.rank"] == 4


def test_secrets_are_not_repeated() -> None:
    imported = read("--huggingface_token hf_secret --wandb_api_key w_secret")
    assert "secret" not in left(imported) and "--huggingface_token ..." in left(imported)


def test_a_name_of_theirs_becomes_one_that_a_run_may_have() -> None:
    assert read("--output_name 'My cat (v2)!'").values["name"] == "My-cat-v2"
    assert "name" not in read("--output_name '!!'").values


@pytest.mark.parametrize("script", ["sdxl_train_network.py", "flux_train.py", "train_db.py"])
def test_another_trainer_is_refused(script: str) -> None:
    with pytest.raises(ImportFailed, match="expected one of flux_train_network"):
        read_kohya(Command(script, {}), Sources())
