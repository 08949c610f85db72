"""The script of a job: what it asks for, and the shell that stands between Slurm and the supervisor, run for real by bash."""

import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from fluxgym.run.folders import PROJECT
from fluxgym.run.slurm_script import AHEAD, BODY, Wish, find_overruled, make_script, read_wish
from trainer.config import Slurm
from trainer.folder import RunFolder

SUPERVISOR = """
import os, signal, sys, time
log = open(sys.argv[1], "a", buffering=1)
for number in (signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2, signal.SIGXCPU):
    signal.signal(number, lambda number, frame: print(signal.Signals(number).name, file=log))
print("up", os.getpid(), os.environ["FLUXGYM_JOB"], "told", os.environ["FLUXGYM_TOLD"], file=log)
while not os.path.exists(sys.argv[1] + ".end"):
    time.sleep(0.05)
sys.exit(3)
"""


def lines_of(script):
    return [line for line in script.splitlines() if line.startswith("#SBATCH")]


def test_what_is_not_set_is_left_to_the_cluster(tmp_path):
    lines = lines_of(make_script(RunFolder(tmp_path / "my-lora"), Wish()))
    assert "#SBATCH --job-name=my-lora" in lines
    assert f"#SBATCH --output={tmp_path}/my-lora/monitor.log" in lines
    assert "#SBATCH --gres=gpu:1" in lines
    assert f"#SBATCH --signal=B:{signal.SIGXCPU:d}@{AHEAD}" in lines
    assert not [line for line in lines if any(name in line for name in ("partition", "account", "qos", "--mem", "--time"))]


def test_all_that_is_set_is_asked_for_and_ones_own_lines_come_last(tmp_path):
    own = ["#SBATCH --exclude=gpu-7", "module load cuda", "#SBATCH --gres=gpu:a100:2"]
    wish = Wish("gpu", "lab", "high", 2, 4, 8, "64G", "2:00:00", own)
    script = make_script(RunFolder(tmp_path / "a"), wish)
    lines = lines_of(script)
    for name, value in (("partition", "gpu"), ("account", "lab"), ("qos", "high"), ("nodes", "2"), ("cpus-per-task", "8")):
        assert f"#SBATCH --{name}={value}" in lines
    assert {"#SBATCH --mem=64G", "#SBATCH --time=2:00:00", "#SBATCH --gres=gpu:4"} <= set(lines)
    assert lines[-2:] == [own[0], own[2]], "what sbatch reads last holds"
    assert script.index("module load cuda") < script.index("fluxgym.run")


def test_a_short_time_limit_is_not_spent_on_the_end(tmp_path):
    lines = lines_of(make_script(RunFolder(tmp_path / "a"), Wish(time_limit="2", gpus=0)))
    assert f"#SBATCH --signal=B:{signal.SIGXCPU:d}@30" in lines
    assert not any("gres" in line for line in lines)
    assert f"#SBATCH --signal=B:{signal.SIGXCPU:d}@{AHEAD}" in lines_of(
        make_script(RunFolder(tmp_path / "a"), Wish(time_limit="soon"))
    )


def test_no_name_of_a_folder_becomes_a_command(tmp_path):
    folder = RunFolder(tmp_path / "it's 100% $(touch hacked); mine" / "a")
    script = make_script(folder, Wish())
    assert '100%% $(touch hacked); mine/a/monitor.log"' in script
    command = next(line for line in script.splitlines() if "fluxgym.run" in line)
    assert shlex.split(command.removesuffix("&"))[-1] == str(folder.path)
    assert subprocess.run(["bash", "-n"], input=script, text=True, check=False).returncode == 0


def test_a_path_with_an_apostrophe_is_one_word_for_sbatch(tmp_path):
    script = make_script(RunFolder(tmp_path / "o'hara" / "a"), Wish())
    assert f'#SBATCH --output="{tmp_path}/o\'hara/a/monitor.log"' in lines_of(script)


@pytest.mark.parametrize("then", ["", "\nsleep 0.5"], ids=["at-once", "before-its-id-is-kept"])
def test_a_signal_reaches_the_supervisor_and_does_not_end_a_script_that_ends_at_its_first_fault(tmp_path, then):
    script = make_script(RunFolder(tmp_path), Wish(lines=["set -euo pipefail"]))
    started = re.search(r".*fluxgym.run.*", script)[0]
    saves = """bash -c 'trap "sleep 0.2; exit 7" USR1; echo up; while :; do sleep 0.1; done' &""" + then
    environment = os.environ | {"SLURM_JOB_ID": "7"}
    job = subprocess.Popen(["bash", "-c", script.replace(started, saves)], stdout=subprocess.PIPE, env=environment)
    assert job.stdout.readline() == b"up\n"
    job.send_signal(signal.SIGUSR1)
    assert job.wait(60) == 7


def test_what_is_told_during_ones_own_lines_the_supervisor_hears_after_them(tmp_path, wait_until):
    """And what starts then has no trap, and ignores nothing."""
    lines = [f"while [ ! -e {tmp_path}/go ]; do echo $fluxgym_told > {tmp_path}/heard; sleep 0.05; done"]
    script = make_script(RunFolder(tmp_path / "a"), Wish(lines=["set -euo pipefail", *lines]))
    started = re.search(r"\S+ -m fluxgym.run \S+", script)[0]
    said = """bash -c 'echo "$FLUXGYM_TOLD"; grep SigIgn /proc/$$/status'"""
    environment = os.environ | {"SLURM_JOB_ID": "7"}
    job = subprocess.Popen(["bash", "-c", script.replace(started, said)], stdout=subprocess.PIPE, env=environment, text=True)
    heard = tmp_path / "heard"
    wait_until(heard.exists)
    for number in (signal.SIGUSR2, signal.SIGUSR1, signal.SIGXCPU):
        job.send_signal(number)
        wait_until(lambda name=number.name: job.poll() is not None or name.removeprefix("SIG") in heard.read_text())
    (tmp_path / "go").touch()
    told, ignored = (job.stdout.readline() for _ in range(2))
    assert told.split() == ["USR2", "USR1", "XCPU"]
    ignores = int(ignored.split()[1], 16)
    assert not [number for number in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGXCPU) if ignores & 1 << (number - 1)]
    assert job.wait(60) == 0


def run_script(folder, wish, instead, **variables):
    """What the script says where `instead` is started and no supervisor."""
    script = make_script(RunFolder(folder), wish)
    started = re.search(r"\S+ -m fluxgym.run \S+", script)[0]
    command = ["bash", "-c", script.replace(started, instead)]
    return subprocess.check_output(command, text=True, env=os.environ | {"SLURM_JOB_ID": "7", **variables})


@pytest.mark.parametrize(
    ("gpus", "given", "lines", "sees"),
    [
        (0, {}, [], "none"),
        (0, {"SLURM_GPUS_ON_NODE": "1"}, [], "3"),  # by "#SBATCH --gpus=1"
        (0, {"SLURM_SHARDS_ON_NODE": "1"}, [], "3"),
        (0, {}, ["export CUDA_VISIBLE_DEVICES=1"], "1"),
        (1, {}, [], "3"),  # of a cluster that does not know its GPUs
    ],
)
def test_without_gpus_none_is_seen(tmp_path, gpus, given, lines, sees):
    told = """bash -c 'echo "${CUDA_VISIBLE_DEVICES:-none}"'"""
    wish = Wish(gpus=gpus, lines=lines)
    assert run_script(tmp_path, wish, told, CUDA_VISIBLE_DEVICES="3", **given) == f"{sees}\n"


def test_lines_of_ones_own_may_go_elsewhere(tmp_path):
    assert run_script(tmp_path, Wish(lines=["cd /"]), "pwd") == f"{PROJECT}\n"


def test_variables_that_would_win_over_what_was_chosen_are_named(tmp_path):
    own = ["#SBATCH --reservation=week -C a100", "export SBATCH_X=1 # --exclusive"]
    script = make_script(RunFolder(tmp_path / "a"), Wish("gpu", memory="4G", lines=own))
    chosen = find_overruled(script, is_chosen=True)
    names = ("PARTITION", "MEM_PER_CPU", "MEM_PER_NODE", "GRES", "GPUS", "RESERVATION", "CONSTRAINT", "SIGNAL", "ARRAY_INX")
    assert {f"SBATCH_{name}" for name in names} <= chosen
    assert not chosen & {"SBATCH_ACCOUNT", "SBATCH_QOS", "SBATCH_TIMELIMIT", "SBATCH_EXCLUSIVE"}, "they are left to them"
    assert "SBATCH_TIMELIMIT" in find_overruled(make_script(RunFolder(tmp_path / "a"), Wish(time_limit="5")), is_chosen=True)
    of_a_command = find_overruled(script, is_chosen=False)
    assert "SBATCH_SIGNAL" in of_a_command and not of_a_command & {"SBATCH_PARTITION", "SBATCH_GRES", "SBATCH_MEM_PER_NODE"}


def test_a_wish_is_that_of_the_settings_and_what_makes_no_sense_is_usual():
    assert read_wish({}) == Wish() == read_wish({"slurm": "x"})
    said = {"slurm": {"partition": "gpu", "gpus": "two", "nodes": 2, "unknown": 1, "lines": ["module load x"]}}
    assert read_wish(said) == Wish(partition="gpu", nodes=2, lines=["module load x"])


def test_the_trainers_config_has_the_same_settings_with_the_same_defaults():
    assert Slurm().model_dump() == vars(Wish())


@pytest.fixture
def shell(tmp_path, wait_until):
    """The script's shell with a supervisor that writes down what it is told; its log."""
    (tmp_path / "supervisor.py").write_text(SUPERVISOR)
    log = tmp_path / "log"
    supervisor = shlex.join([sys.executable, str(tmp_path / "supervisor.py"), str(log)])
    body = BODY.format(job="FLUXGYM_JOB", told="FLUXGYM_TOLD", project=tmp_path, supervisor=supervisor, tries=2)
    shell = subprocess.Popen(["bash", "-c", body], env=os.environ | {"SLURM_JOB_ID": "42"})
    wait_until(lambda: log.exists() and "up" in log.read_text())
    yield shell, log
    Path(f"{log}.end").touch()
    shell.wait(60)


def test_signals_are_passed_on_and_the_exit_code_comes_back(shell, wait_until):
    process, log = shell
    for number in (signal.SIGUSR1, signal.SIGXCPU, signal.SIGTERM, signal.SIGUSR2):
        process.send_signal(number)
        wait_until(lambda name=number.name: name in log.read_text())
    assert process.poll() is None
    assert log.read_text().split()[2] == "42"
    Path(f"{log}.end").touch()
    assert process.wait(60) == 3


def test_a_supervisor_that_is_killed_has_a_successor(shell, wait_until):
    process, log = shell
    os.kill(int(log.read_text().split()[1]), signal.SIGKILL)
    wait_until(lambda: log.read_text().count("up") == 2)
    assert log.read_text().endswith("told \n")
    process.send_signal(signal.SIGUSR1)
    wait_until(lambda: "SIGUSR1" in log.read_text())


def test_one_that_cannot_live_here_is_not_tried_for_ever(shell, wait_until):
    process, log = shell
    for times in (1, 2):
        wait_until(lambda times=times: log.read_text().count("up") == times)
        os.kill(int(log.read_text().split("up ")[-1].split()[0]), signal.SIGKILL)
    assert process.wait(60) == 128 + signal.SIGKILL


def test_nobody_begins_where_the_end_is_told(shell, wait_until):
    """A supervisor that is only just starting dies of SIGTERM."""
    process, log = shell
    process.send_signal(signal.SIGTERM)
    wait_until(lambda: "SIGTERM" in log.read_text())
    os.kill(int(log.read_text().split()[1]), signal.SIGKILL)
    assert process.wait(60) == 128 + signal.SIGKILL
    assert log.read_text().count("up") == 1


def test_one_that_died_of_a_signal_while_it_was_starting_has_a_successor_that_is_told(shell, wait_until):
    """Until it has blocked them, they kill it."""
    process, log = shell
    process.send_signal(signal.SIGUSR1)
    wait_until(lambda: "SIGUSR1" in log.read_text())
    os.kill(int(log.read_text().split()[1]), signal.SIGKILL)
    wait_until(lambda: log.read_text().split()[-2:] == ["told", "USR1"])
