"""The time that a training will take, from the logs of earlier ones."""

from fluxgym.preflight.expected import find_expected
from trainer.config import dump_config
from trainer.folder import RunFolder


def write(outputs, config, name, log):
    folder = RunFolder(outputs / name)
    folder.path.mkdir(exist_ok=True)
    folder.config.write_text(dump_config(config))
    folder.training_log.write_text(log)


def test_nothing_measured_is_nothing_told(make, outputs):
    assert find_expected(make(), 100, 1e12) is None
    write(outputs, make(), "before", "Epoch 1/2\n")
    assert find_expected(make(), 100, 1e12) is None


def test_the_last_speed_of_the_last_run_counts(make, outputs):
    log = "2026-11-28 10:00:00 Speed: 0.412 s/it, 9,941 tokens/s, 2.0 TFLOP/s, peak memory 1.0 GB\n"
    write(outputs, make(), "before", log + log.replace("2.0 TFLOP/s", "1,000 TFLOP/s").replace("0.412", "1,200"))
    found = find_expected(make(**{"train.epochs": 7, "lora.rank": 2}), 100, 4e15)
    assert (found.run, found.step_seconds, found.seconds) == ("before", 4.0, 400.0)


def test_only_steps_that_are_made_alike_are_compared(make, outputs):
    write(outputs, make(), "before", "Speed: 0.4 s/it, 9 tokens/s, 2.0 TFLOP/s\n")
    assert find_expected(make(), 1, 1e12)
    for change in ({"model.base": "other/model"}, {"model.quantise": "int8"}, {"memory.preset": "8"}):
        assert find_expected(make(**change), 1, 1e12) is None
    (outputs / "before" / "config.toml").write_text("[")
    assert find_expected(make(), 1, 1e12) is None
