"""Every process of a training is found, also when it left group, session and parent; nobody else's is."""

import os
import subprocess
import sys

from fluxgym.run.family import ATTEMPT_MARK, MARK, find_family, find_marks, mark
from fluxgym.run.identity import Identity
from trainer.folder import RunFolder

# a child in a session of its own whose parent has ended, and a child with an empty environment
TREE = """
import subprocess, sys, time
sleep = [sys.executable, "-c", "import time; time.sleep(600)"]
away = [sys.executable, "-c", f"import subprocess; print(subprocess.Popen({sleep}, start_new_session=True).pid, flush=True)"]
subprocess.run(away)
print(subprocess.Popen(sleep, env={}, start_new_session=True).pid, flush=True)
time.sleep(600)
"""


def test_finds_all_and_nobody_else(tmp_path, wait_until):
    folder, other = RunFolder(tmp_path / "a'b \n"), RunFolder(tmp_path / "other")
    environment = dict(os.environ) | {MARK: mark(folder)}
    with (
        subprocess.Popen([sys.executable, "-c", TREE], stdout=subprocess.PIPE, env=environment) as leader,
        subprocess.Popen(
            [sys.executable, "-c", TREE], stdout=subprocess.PIPE, env={**environment, MARK: mark(other)}
        ) as stranger,
    ):
        expected = {leader.pid, int(leader.stdout.readline()), int(leader.stdout.readline())}
        others = {stranger.pid, int(stranger.stdout.readline()), int(stranger.stdout.readline())}
        found = find_family(folder)
        assert {member.identity.pid for member in found} == expected
        assert found[0].identity == Identity.of(leader.pid)
        for member in [*found, *find_family(other)]:
            member.identity.signal(9)
        wait_until(lambda: not find_family(folder) and not find_family(other))
        assert not {pid for pid in others if Identity.of(pid)}


def test_of_one_attempt_only(tmp_path, wait_until):
    folder = RunFolder(tmp_path)
    environment = dict(os.environ) | {MARK: mark(folder), ATTEMPT_MARK: "5.5-1"}
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], env=environment) as process:
        wait_until(lambda: find_family(folder))
        assert find_family(folder, attempt="5.5-2") == []
        [member] = find_family(folder, attempt="5.5-1")
        assert member.identity.pid == process.pid
        process.kill()


def test_an_unmarked_leader_brings_its_children(tmp_path):
    with subprocess.Popen([sys.executable, "-c", TREE], stdout=subprocess.PIPE) as leader:
        children = [int(leader.stdout.readline()), int(leader.stdout.readline())]
        found = find_family(RunFolder(tmp_path), Identity.of(leader.pid))
        pids = {member.identity.pid for member in found}
        assert {leader.pid, children[1]} <= pids
        assert find_family(RunFolder(tmp_path), Identity(leader.pid, 1, "another")) == []
        for pid in (*children, leader.pid):
            Identity.of(pid).signal(9)


def test_whose_processes_are_alive_is_found_in_one_look(tmp_path, wait_until):
    folder = RunFolder(tmp_path / "a'b \n")
    command = [sys.executable, "-c", "import time; time.sleep(600)"]
    with subprocess.Popen(command, env=dict(os.environ) | {MARK: mark(folder)}) as process:
        wait_until(lambda: mark(folder) in find_marks())
        assert mark(RunFolder(tmp_path)) not in find_marks()
        process.kill()
    assert mark(folder) not in find_marks()
