"""The values that a Slurm job is asked for with: read as Slurm reads them, refused in words where it would refuse them."""

import pytest

from tests.trainer.test_config import problems_of
from trainer.config import parse_config
from trainer.slurm import find_options, read_time_limit


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 5400),
        ("2:30", 150),  # minutes and seconds
        ("2:00:00", 7200),
        ("1-12", 129_600),
        ("1-12:30", 131_400),
        ("1-12:30:10", 131_410),
        ("", None),
        ("0", None),
        ("UNLIMITED", None),
    ],
)
def test_a_time_limit_is_what_slurm_takes_it_for(text, seconds):
    assert read_time_limit(text) == seconds


@pytest.mark.parametrize(
    ("key", "value", "part"),
    [
        ("time_limit", "2h", "got '2h', expected minutes such as '90', hours as '2:00:00'"),
        ("time_limit", "1:2:3:4", "expected minutes"),
        ("memory", "64 GB", "got '64 GB', expected a number with its unit such as '64G'"),
        ("partition", "gpu\n#SBATCH --uid=0", "expected a name of letters"),
        ("account", "a b", "got 'a b', expected a name"),
        ("lines", ["module load cuda\nrm x"], "expected one line of a script"),
        ("lines", ["#SBATCH --array=0-3"], "with --array, which is FluxGym's to say"),
        ("lines", ["#SBATCH --mem=4G -o x.log"], "with -o, which is FluxGym's to say"),
        ("lines", ["#SBATCH--array=0-3"], "with --array, which"),  # sbatch takes all of these
        ("lines", ["#SBATCH --arr=0-3"], "with --arr, which"),
        ("lines", ['#SBATCH "--array=0-3"'], "with --array, which"),
        ("lines", ["#SBATCH --outp x.log"], "with --outp, which"),
        ("lines", ["#SBATCH -Ho x.log"], "with -Ho, which"),
        ("lines", ["#SBATCH hetjob"], "with hetjob, which"),
        ("lines", ["#PBS -t 0-3"], "got '#PBS -t 0-3', expected options of the job in lines that begin with #SBATCH"),
        ("nodes", 0, "got 0, expected a whole number from 1"),
        ("gpus", -1, "got -1, expected a whole number from 0"),
    ],
)
def test_what_slurm_would_refuse_is_told_before(small, key, value, part):
    small["slurm"] = {key: value}
    (problem,) = problems_of(small)
    assert problem.startswith(f"slurm.{key}: ") and part in problem


def test_what_a_lab_sets(small):
    small["slurm"] = {"partition": "gpu,gpu-long", "memory": "64G", "time_limit": "1-12:00:00", "gpus": 0}
    small["slurm"]["lines"] = [
        "#SBATCH --constraint=a100|h100 -A lab --wait-all-nodes=1",
        "#SBATCH --comment='all --array in vain' # --output is for those who read",
        "mkdir -p /scratch/me",
        "source ~/venv/bin/activate",
    ]
    assert parse_config(small).slurm.model_dump(include=set(small["slurm"])) == small["slurm"]


def test_the_options_of_a_line_have_one_name_each():
    said = find_options("#SBATCH -A lab --part=gpu -pgpu --gres gpu:2")
    assert said == {"account": "-A", "partition": "-p", "gres": "--gres"}
    for line in ("# SBATCH --time=1", "srun --time=1", "#SBATCH --comment='without an end --time=1"):
        assert find_options(line) == {}
