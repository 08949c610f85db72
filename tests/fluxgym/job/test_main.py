"""`python -m fluxgym.job`; what it does: test_begin.py."""

import subprocess
import sys


def test_it_says_by_its_exit_code_that_there_is_no_such_job(tmp_path):
    assert subprocess.run([sys.executable, "-m", "fluxgym.job", str(tmp_path), "0"], check=False).returncode == 1
