"""A run as a job of a cluster, as a person has it: chosen on the Train page, watched, stopped from its page."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from fluxgym.form import form
from fluxgym.run.launch import wait_for_end
from fluxgym.run.record import read_record
from tests.browser.conftest import Server, wait_until_still
from tests.slurm.cluster import Cluster
from trainer.folder import RunFolder

pytestmark = pytest.mark.browser


def fill(page: Page, label: str, value: str, line: str) -> None:
    """A field of the job, until the script has the line that follows from it."""
    box = page.get_by_label(label, exact=True)
    box.fill(value)
    box.press("Enter")
    expect(page.locator(".st-key-slurm code")).to_contain_text(line)


def test_a_job_is_begun_watched_and_stopped(
    cluster: Cluster,
    page: Page,
    server: Server,
    outputs: Path,
    complaints: list[str],
) -> None:
    form.write_values(form.draft(), form.demo_values() | {"sample.prompts": []})  # whose pictures take long
    page.goto(f"{server.url}/train")
    page.locator("[data-testid=stApp][data-test-script-state=notRunning]").wait_for()
    page.get_by_text("12 images, 12 with a caption").wait_for()
    place = page.get_by_role("combobox", name="Where it trains")
    wait_until_still(place)
    place.click()
    page.get_by_role("option", name="A job on Slurm").click()
    page.get_by_text("The job's script").click()
    script = page.locator(".st-key-slurm code")
    expect(script).to_contain_text("#SBATCH --gres=gpu:1")
    fill(page, "GPUs per node", "0", "#SBATCH --cpus-per-task=4\n#SBATCH --signal")
    fill(page, "CPU cores per node", "1", "#SBATCH --cpus-per-task=1\n")
    fill(page, "Memory per node", "500M", "#SBATCH --mem=500M\n")
    fill(page, "Time limit", "30", "#SBATCH --time=30\n")
    page.get_by_text("1 node with 1 CPU core and 500M of memory, for 30 m at most. Partition main: 2 nodes").wait_for()
    shown = script.inner_text()

    page.get_by_role("button", name="Start", exact=True).click()
    heading, anyway = page.get_by_role("heading", name="demo"), page.get_by_role("button", name="Start anyway")
    heading.or_(anyway).first.wait_for()
    if anyway.is_visible():  # the outputs of a test mostly lie in /tmp
        anyway.click()
    heading.wait_for()
    folder = RunFolder(outputs / "demo")
    job = read_record(folder).attempts[-1].job
    assert folder.job_script.read_text(encoding="utf-8").strip() == shown.strip()
    page.get_by_text(re.compile(rf"Job {job} on n[12], (30|29) m left of its time limit\.")).first.wait_for()
    progress = page.get_by_text(re.compile(r"^Step \d+ of 300"))
    for _ in range(2):  # refreshes
        before = progress.inner_text()
        expect(progress).not_to_have_text(before)

    page.get_by_role("button", name="Stop", exact=True).click()
    page.get_by_role("dialog").get_by_role("button", name="Stop", exact=True).click()
    page.locator(".stMarkdownBadge", has_text="Stopped").wait_for()
    page.get_by_role("button", name="Resume", exact=True).wait_for()
    assert wait_for_end(folder, 60).state == "stopped"
    cluster.wait(job, "COMPLETED", "CANCELLED", "FAILED")
    assert complaints == []
