"""A run as a zip."""

import io
import os
import tracemalloc
import zipfile

from fluxgym.publish.parcel import LOGS, LORAS, PARTS, SAMPLES, STATES, file_name, list_parcel, measure, write_parcel


def unzip(folder, parts):
    data = b"".join(write_parcel(folder, list_parcel(folder, parts)))
    archive = zipfile.ZipFile(io.BytesIO(data))
    assert archive.testzip() is None
    return {entry.filename: archive.read(entry) for entry in archive.infolist()}


def test_what_is_asked_for_is_inside_and_nothing_that_lets_somebody_in(folder):
    inside = unzip(folder, tuple(PARTS))
    assert inside["robot/robot.safetensors"] == folder.lora.read_bytes()
    assert {"robot/config.toml", "robot/training.log", "robot/robot-2-state/state.json"} <= set(inside)
    assert sum(name.startswith("robot/sample/") for name in inside) == 2
    assert not any("share.json" in name or "lock" in name for name in inside)
    assert set(unzip(folder, (LORAS,))) == {"robot/robot.safetensors", "robot/robot-000001.safetensors"}
    assert file_name(folder) == "robot.zip" and measure(list_parcel(folder, (LORAS,))) > 800_000


def test_a_link_out_of_the_run_is_left_out(folder, tmp_path):
    (tmp_path / "secret").write_text("secret")
    (folder.path / "robot-2-state" / "link").symlink_to(tmp_path / "secret")
    (folder.samples / "up.png").symlink_to(tmp_path / "secret")
    assert not any(b"secret" in data for data in unzip(folder, tuple(PARTS)).values())


def test_a_file_that_goes_or_grows_meanwhile_does_no_harm(folder):
    files = list_parcel(folder)
    pieces = write_parcel(folder, files)
    first = next(pieces)
    (folder.path / "training.log").unlink()
    data = first + b"".join(pieces)
    assert "robot/training.log" not in zipfile.ZipFile(io.BytesIO(data)).namelist()


def test_large_files_take_no_memory(folder):
    with (folder.path / "robot-2-state" / "large.bin").open("wb") as file:
        file.truncate(2**27)
    files = list_parcel(folder, (STATES,))
    tracemalloc.start()
    size = sum(map(len, write_parcel(folder, files)))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert size > 2**27 > 10 * peak


def test_a_name_in_no_known_letters_is_inside_too(folder):
    (folder.samples / os.fsdecode(b"caf\xe9.png")).write_bytes(b"drawn")
    assert unzip(folder, (SAMPLES,))["robot/sample/caf\ufffd.png"] == b"drawn"


def test_files_that_are_gone_before_they_are_measured_or_sent_count_nothing(folder):
    files = list_parcel(folder, (LORAS, LOGS))
    folder.lora.unlink()
    assert measure(files) == sum(path.stat().st_size for path in files if path != folder.lora)
    inside = zipfile.ZipFile(io.BytesIO(b"".join(write_parcel(folder, files)))).namelist()
    assert set(inside) == {"robot/robot-000001.safetensors", "robot/training.log"}
