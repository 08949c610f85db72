"""`python -m fluxgym.run` is the supervisor."""

import subprocess
import sys


def test_is_the_supervisor(tmp_path):
    done = subprocess.run([sys.executable, "-m", "fluxgym.run", tmp_path / "gone"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "expected the folder of one run" in done.stderr
