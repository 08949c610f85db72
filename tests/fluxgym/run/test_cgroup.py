"""The kernel's count of processes that it ended for lack of memory, wherever this machine keeps it."""

import pytest

from fluxgym.run import cgroup

EVENTS = "low 0\nhigh 0\nmax 3\noom 2\noom_kill 7\noom_group_kill 0\n"
CONTROL = "oom_kill_disable 0\nunder_oom 0\noom_kill 4\n"


@pytest.mark.parametrize(
    ("ours", "file", "text", "count"),
    [
        ("0::/user.slice/session-1.scope\n", "user.slice/session-1.scope/memory.events", EVENTS, 7),
        ("0::/../outside\n", "memory.events", EVENTS, 7),
        ("4:cpu:/x\n3:memory,hugetlb:/docker/abc\n0::/\n", "memory/docker/abc/memory.oom_control", CONTROL, 4),
        ("3:memory:/docker/abc\n", "memory/memory.oom_control", CONTROL, 4),
        ("0::/\n", "memory.events", "oom_kills 9\n", None),
        ("0::/\n", "other", EVENTS, None),
        ("nonsense\n", "memory.events", EVENTS, None),
    ],
)
def test_count(tmp_path, monkeypatch, ours, file, text, count):
    root = tmp_path / "root" / "cgroup"
    (root / file).parent.mkdir(parents=True)
    (root / file).write_text(text)
    (tmp_path / "ours").write_text(ours)
    monkeypatch.setattr(cgroup, "ROOT", root)
    monkeypatch.setattr(cgroup, "OURS", tmp_path / "ours")
    assert cgroup.count_oom_kills() == count


def test_a_machine_without_cgroups(tmp_path, monkeypatch):
    monkeypatch.setattr(cgroup, "OURS", tmp_path / "none")
    assert cgroup.count_oom_kills() is None
