"""The process that tells: one line on the outcome in monitor.log, no URL in the run's folder, and the run as it was."""

import subprocess
import sys

import pytest

from fluxgym.notify.services import add_service
from fluxgym.run.folders import PROJECT
from fluxgym.run.status import read_status
from fluxgym.run.tell import tell
from tests.fluxgym.notify.conftest import SECRET


def run(*arguments: str, limit: str = "") -> subprocess.CompletedProcess:
    script = f"from fluxgym.notify import send; send.send.__defaults__ = ({limit},)" if limit else ""
    main = "import sys; from fluxgym.notify.__main__ import main; sys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-c", f"{script}\n{main}", *arguments]
    return subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=60, check=False)


def everything_in(folder) -> bytes:
    return b"".join(path.read_bytes() for path in folder.path.rglob("*") if path.is_file())


@pytest.mark.usefixtures("services_file")
def test_tells_all_and_notes_the_outcome(failed_run, start_service, refused_url):
    good, bad, hanging = start_service(), start_service(500), start_service(None)
    for url in (bad.url, good.url, hanging.url, refused_url):
        add_service(url)
    before = read_status(failed_run), failed_run.record.read_bytes()
    done = run(str(failed_run.path), "failed", limit="2")
    assert done.returncode == 1
    [line] = failed_run.monitor_log.read_text().splitlines()
    assert line[20:] == (
        "notification of failed: JSON: 127.0.0.1: it answered with error 500; JSON: 127.0.0.1: sent; "
        "JSON: 127.0.0.1: no answer within 2 s; JSON: 127.0.0.1: it cannot be reached, or does not answer"
    )
    assert [got["title"] for got in good.got] == ["small: failed"]
    assert len(good.got[0]["attachments"]) == 1
    assert SECRET.encode() not in everything_in(failed_run)
    assert SECRET not in done.stdout + done.stderr
    assert (read_status(failed_run), failed_run.record.read_bytes()) == before


def test_a_damaged_file_is_noted(failed_run, services_file):
    services_file.parent.mkdir()
    services_file.write_text(f"{{{SECRET}")
    assert run(str(failed_run.path), "failed").returncode == 1
    assert "no notification of failed: " in failed_run.monitor_log.read_text()
    assert SECRET.encode() not in everything_in(failed_run)


@pytest.mark.usefixtures("services_file")
def test_from_the_telling_to_the_message(failed_run, start_service, wait_until):
    service = start_service()
    add_service(service.url)
    tell(failed_run, "failed")
    wait_until(lambda: service.got)
    wait_until(lambda: failed_run.monitor_log.exists() and "JSON: 127.0.0.1: sent" in failed_run.monitor_log.read_text())
