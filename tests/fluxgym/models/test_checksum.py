"""Every byte of a model, compared with what the Hub had said."""

import subprocess
import sys

import pytest

from fluxgym.job.folder import DONE, FAILED, read_job
from fluxgym.models.checksum import check_bytes, find_hash, hash_file, list_files, main, start_check
from fluxgym.run.folders import PROJECT
from tests.fluxgym.models.conftest import NAME
from tests.fluxgym.models.hub import COMMIT, blob_name
from trainer.mini import MODEL

VAE = "vae/diffusion_pytorch_model.safetensors"


def flip(file):
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)


def test_hashes_are_those_that_git_and_the_hub_make():
    config = MODEL / "vae" / "config.json"
    said = subprocess.run(["git", "hash-object", config], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert hash_file(config, "0" * 40) == said.stdout.strip() == blob_name(config)
    assert hash_file(MODEL / VAE, "") == blob_name(MODEL / VAE)


def test_a_byte_that_changed_in_the_cache_is_found(cached):
    files = list_files(cached)
    told = []
    hashed = check_bytes(files, lambda done, name: told.append((done, name)))
    assert (hashed.problems, hashed.known, hashed.unknown) == ([], len(files), 0)
    assert told[-1][0] == sum(file.stat().st_size for file in files)
    flip(cached / VAE)
    assert [problem.split(": ")[0] for problem in check_bytes(files).problems] == [str(cached / VAE)]


def test_a_folder_of_one_s_own_has_no_hashes_unless_the_hub_s_tool_wrote_them_down(copy):
    assert check_bytes(list_files(copy)).unknown == 4
    noted = copy / ".cache" / "huggingface" / "download" / f"{VAE}.metadata"
    noted.parent.mkdir(parents=True)
    noted.write_text(f"{COMMIT}\n{blob_name(copy / VAE)}\n12.5\n")
    assert find_hash(copy / VAE) == blob_name(copy / VAE) and check_bytes(list_files(copy)).known == 1
    flip(copy / VAE)
    assert len(check_bytes(list_files(copy)).problems) == 1


def test_the_job_says_what_is_wrong(cached, outputs, wait_until):
    job = start_check(NAME)
    wait_until(lambda: read_job(job).state == DONE)
    assert read_job(job).said.result["known"] == len(list_files(cached))
    flip(cached / VAE)
    job = start_check(NAME)
    wait_until(lambda: read_job(job).state == FAILED)
    assert "its bytes are not those that the Hub had given, download it again" in read_job(job).message


@pytest.mark.parametrize(("base", "code"), [(str(MODEL / VAE), 0), ("nobody/not-here", 1)])
def test_a_file_and_nothing(base, code, capsys):
    assert main([base]) == code
    assert ("no hashes are known" if code == 0 else "not on this machine") in capsys.readouterr().out


def test_it_runs_as_a_module():
    done = subprocess.run(
        [sys.executable, "-m", "fluxgym.models.checksum", "nowhere"], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1 and done.stdout == "got nowhere, which is not on this machine\n"
