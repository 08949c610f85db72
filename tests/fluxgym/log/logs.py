"""Logs that the tests of this folder read: ours, and kohya's as FluxGym shows it, with all that is awkward in them."""

from tqdm import tqdm

START = 10 * 3600


def stamp(seconds: float) -> str:
    seconds = int(START + seconds)
    return f"2026-11-24 {seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"


def our_step(step: int, total: int, seconds: float, loss: float, average: float = 0.5, lr: float = 2e-4) -> str:
    postfix = f"loss={loss:.4f}, avr_loss={average:.4f}, lr={lr:.0e}"
    bar = tqdm.format_meter(step, total, seconds, prefix="steps", postfix=postfix)
    return f"{stamp(seconds)} {bar}\n"


def our_steps(first: int, last: int, total: int, seconds: float = 0.0, pace: float = 0.5) -> str:
    """Steps first..last, each `pace` seconds, beginning at `seconds`; the loss falls with a saw on it."""
    return "".join(
        our_step(step, total, seconds + pace * (step - first), 1 / (1 + step / 100) + step % 7 / 100)
        for step in range(first, last + 1)
    )


REGULAR = (
    "{stamp} steps:  11%|#         | {step}/9000 [00:{second:02d}<04:44, 27.75it/s, "
    "loss={loss:.4f}, avr_loss=0.5000, lr=2e-04]\n"
)


def regular_steps(first: int, last: int, seconds: float, pace: float) -> str:
    """Steps of one width, as in a long training, where a bar moves slowly."""
    return "".join(
        REGULAR.format(
            stamp=stamp(seconds + pace * (step - first)),
            step=step,
            second=step % 60,
            loss=1 / (1 + step / 100) + step % 7 / 100,
        )
        for step in range(first, last + 1)
    )


OURS = (
    "=== Attempt 1, 2026-11-24 10:00:00 ===\n"
    f"{stamp(0)} Loading text encoders: trainer/mini/flux-mini\n"
    f"{stamp(1)} Caching latents: 3/12\n"
    f"{stamp(1)} Training: 60 steps, 3 epochs of 20 steps, batch 4, 401,920 LoRA parameters, fp32 base on cpu\n"
    f"{stamp(2)} Sampling: 1 prompts at step 0\n"
    f"{stamp(2)} Saving sample: outputs/a/sample/a_e000000_00_20261124101502_42.png\n"
    f"{stamp(2)} Validation: loss 0.9123 at step 0\n"
    f"{stamp(3)} Epoch 1/3\n" + our_steps(1, 20, 60, 4, 1) + f"{stamp(24)} Validation: loss 0.8123 at step 20\n"
    f"{stamp(24)} Saving LoRA: outputs/a/a-000001.safetensors\n"
    f"{stamp(44)} Saving checkpoint: outputs/a/a-1-state\n"
    f"{stamp(44)} Epoch 2/3\n" + our_steps(21, 33, 60, 45, 1) + f"{stamp(58)} WARNING the disk is nearly full\n"
    f"{stamp(58)} Stopping: SIGTERM received, finishing the step\n"
    f"{stamp(59)} Training stopped at step 33 of 60: resume from outputs/a/a-1-state\n"
    "=== Attempt 2, 2026-11-24 11:00:00, resumed from a-1-state ===\n"
    f"{stamp(3600)} Resuming: step 20 of 60 from outputs/a/a-1-state\n"
    f"{stamp(3601)} Epoch 2/3\n"
    + our_steps(21, 40, 60, 3602, 2)
    + f"{stamp(3642)} Epoch 3/3\n"
    + our_steps(41, 60, 60, 3643, 2)
    + f"{stamp(3690)} Saving LoRA: outputs/a/a.safetensors\n"
    f"{stamp(3690)} Training finished\n"
)


def kohya_bar(step: int, total: int, elapsed: float, average: str | None, end: str = "") -> str:
    return "\r" + tqdm.format_meter(step, total, elapsed, prefix="steps", postfix=average and f"avr_loss={average}") + end


def kohya_steps(first: int, last: int, total: int, elapsed: float, pace: float = 3.0) -> str:
    """Each step is drawn twice: with the average of the step before, then with its own."""
    drawn = ""
    for step in range(first, last + 1):
        for average in (step - 1, step):
            drawn += kohya_bar(
                step, total, elapsed + pace * (step - first), f"{1 / (1 + average / 100):.3g}" if average else None
            )
    return drawn


KOHYA = (
    "2024-09-15 01:12:55 INFO     Loading dataset config from             train_network.py:157\n"
    "                             outputs/x/dataset.toml\n"
    "                    INFO     override steps. steps for 2 epochs is   train_network.py:404\n"
    "                             / 指定エポックまでのステップ数: 40\n"
    "                    INFO     caching latents...                         train_util.py:1038\n"
    "\r  0%|          | 0/15 [00:00<?, ?it/s]\r100%|##########| 15/15 [00:07<00:00,  2.10it/s]\n"
    "read caption: 100%|##########| 15/15 [00:00<00:00, 99.10it/s]\n"
    "running training / 学習開始\n"
    "  num train images * repeats / 学習画像の数\u00d7繰り返し回数: 20\n"
    "  num epochs / epoch数: 2\n"
    "  total optimization steps / 学習ステップ数: 40\n" + kohya_bar(0, 40, 0, None, "\n") + "epoch 1/2\n"
    "epoch is incremented. current_epoch: 0, epoch: 1\nepoch is incremented. current_epoch: 0, epoch: 1\n"
    + kohya_steps(1, 20, 40, 3)
    + "\nsaving checkpoint: /out/x-000001.safetensors\n"
    "saving state at epoch 1\n"
    "\nepoch 2/2\n"
    + kohya_steps(21, 30, 40, 100)
    + "\n                    INFO     generating sample images at       flux_train_utils.py:39\n"
    "                             step / サンプル画像生成\n"
    "                             ステップ: 30\n"
    "\r  0%|          | 0/20 [00:00<?, ?it/s]\r100%|##########| 20/20 [00:40<00:00,  2.00s/it]\n"
    + kohya_steps(31, 40, 40, 170)
    + "\nsaving checkpoint: /out/x.safetensors\n"
    "                    INFO     model saved.                            train_network.py:1081\n"
)
FLUXGYM = "".join(f"[2024-09-15 01:12:55] [INFO] {line}\n" for line in KOHYA.replace("\r", "\n").split("\n"))
