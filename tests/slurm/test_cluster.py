"""The cluster itself does what the tests take for granted."""

from pathlib import Path

from tests.slurm.cluster import Cluster


def test_a_job_waits_for_a_gpu(cluster: Cluster, script: Path) -> None:
    logs = [script.parent / f"log.{number}" for number in range(3)]
    jobs = [cluster.submit(script, "--gres=gpu:1", "--nodelist=n1", f"--output={log}") for log in logs]
    for job in jobs[:2]:
        cluster.wait(job, "RUNNING")
    assert cluster.wait(jobs[2], "PENDING")["Reason"] in ("Resources", "None", "Priority")
    (script.parent / "go").touch()
    assert all(cluster.wait(job, "COMPLETED")["ExitCode"] == "0:0" for job in jobs)
    assert {log.read_text() for log in logs[:2]} == {"went, 0\n", "went, 1\n"}  # Slurm says which GPU


def test_a_job_outlives_the_controller(cluster: Cluster, script: Path) -> None:
    job = cluster.submit(script, "--gres=gpu:1")
    cluster.wait(job, "RUNNING")
    cluster.save(job)
    cluster.kill("slurmctld")
    assert cluster.run("scontrol", "ping").returncode == 1
    cluster.start_controller()
    cluster.wait(job, "RUNNING")
    (script.parent / "go").touch()
    cluster.wait(job, "COMPLETED")


def test_a_drained_node_takes_no_job(cluster: Cluster, script: Path) -> None:
    cluster.drain("n1")
    job = cluster.submit(script, "--nodelist=n1")
    cluster.wait(job, "PENDING")
    cluster.resume("n1")
    cluster.wait(job, "RUNNING")


def test_two_nodes(cluster: Cluster, tmp_path: Path) -> None:
    path = tmp_path / "job.sh"
    path.write_text(f'#!/bin/bash\n#SBATCH --output={tmp_path}/log\nsrun --ntasks-per-node=1 sh -c "echo \\$SLURMD_NODENAME"\n')
    cluster.wait(cluster.submit(path, "--nodes=2"), "COMPLETED")
    assert sorted((tmp_path / "log").read_text().split()) == ["n1", "n2"]
