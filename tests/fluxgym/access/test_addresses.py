"""Paths lose all but their last part, machines and people their names; what only looks like one stays as it is."""

import itertools
import re

import pytest

from fluxgym.access.addresses import hide_machines, hide_places, shorten

PATHS = {
    "Saving: /tmp/x/robot/sample/robot_e000010_03_20261128064329_45.png": "Saving: .../robot_e000010_03_20261128064329_45.png",
    '  File "/home/bob/lib/torch/nn/functional.py", line 12, in forward': '  File ".../functional.py", line 12, in forward',
    "/opt/conda/x.cpp:123: error": ".../x.cpp:123: error",
    "Loading /home/bob/My Project/sub dir/model.safetensors now": "Loading .../model.safetensors now",
    '"/home/bob/My Project/my model.safetensors" done': '".../my model.safetensors" done',
    "/home/bob/it's here/x.png": ".../x.png",
    "/home/bob is full, so is /Users/bob": "[home] is full, so is [home]",
    "home: /home/bob/": "home: [home]",
    "/mnt/c/Users/bob": "[home]",
    "cd ~/x/y and ~bob/secret/x.png, ~5 min": "cd .../y and .../x.png, ~5 min",
    "$HOME/stuff/x ${HOME}/a/b %USERPROFILE%\\docs\\x": ".../x .../b .../x",
    "cc -I/home/bob/include -L/usr/lib/x": "cc -I.../include -L.../x",
    "PosixPath('/home/bob/x')": "PosixPath('.../x')",
    "'Traceback\\n  File \\\"/home/bob/a b/x.py\\\"\\n/srv/bob/y'": "'Traceback\\n  File \\\".../x.py\\\"\\n.../y'",
    "a=/a/b;c=/d/e": "a=.../b;c=.../e",
    "PATH=/workspace/bin:/usr/bin/x": "PATH=.../bin:.../x",
    "C:\\Users\\John Smith\\pics\\a.png failed": ".../a.png failed",
    "C:/Users/bob/x/y.png": ".../y.png",
    "C:\\Users\\bob": "[home]",
    '{"path": "C:\\\\Users\\\\bob\\\\y.py", "line": 3}': '{"path": ".../y.py", "line": 3}',
    "\\\\server\\share\\dir\\file.txt": ".../file.txt",
    "\\\\server\\share": ".../[share]",
    '"\\\\\\\\server\\\\share\\\\my file.txt"': '".../my file.txt"',
    "//server/share/x.png": ".../x.png",
    "c:\\users\\bob": "[home]",
    "GET /api/v1/users/12": "GET .../12",
    "file:///home/bob/x%20y.png": ".../x y.png",
    "file://server/share/x.png": ".../x.png",
    "GET %2Fhome%2Fbob%2Fx.png and file%3A%2F%2F%2Fsrv%2Fbob%2Fy": "GET .../x.png and .../y",
    "Copying /data/cat to outputs/robot/x.png": "Copying .../cat to outputs/robot/x.png",
}
STAY = [
    "outputs/robot/robot-000004.safetensors ./a/b ../c/d",
    "steps:  45%|####      | 9/20 [03:15<03:45, 20.5s/it, loss=0.0234, lr=8e-04]",
    "100%|##########| 12/12 [00:12<00:00,  6.20it/s]",
    "Epoch 3/16, step 1/2/3, 08/08/2024 04:37:22, n/a, and/or, 3 img/s, 5 GB /s, 1 / 2",
    "black-forest-labs/FLUX.1-dev models--black-forest-labs--FLUX.1-dev black-forest-labs%2FFLUX",
    "</script> <b>x</b> <br/>",
    "https://huggingface.co/black-forest-labs/FLUX.1-dev/resolve/main/x.safetensors",
    "http://127.0.0.1:8501/ and http://localhost:8501/run",
    "/tmp and / and /x",
    "re: \\d+/\\w+ a\\nb '\\\\n' '/'",
    "// comment",
    ".../x.py, line 3",
]
URLS = {
    "https://bob:pw@example.org/x": "https://[secret]@example.org/x",
    "https://example.org/x?a=b#c).": "https://example.org/x?...).",
    "https://example.org/#token": "https://example.org/#...",
    "https://discord.com/api/webhooks/123/abc": "https://discord.com/[secret]",
    "https://hooks.slack.com/services/T/B/X": "https://hooks.slack.com/[secret]",
    "https://api.telegram.org/bot1:x/send": "https://api.telegram.org/[secret]",
    "https://ntfy.sh/my-topic": "https://ntfy.sh/[secret]",
    "http://localhost:8501/s/abcdefghijklmnopqrstuvwx/": "http://localhost:8501/s/[secret]/",
    "postgres://u:p@db.x/y": "postgres://[hidden]",
    "s3://my-bucket/dir/x.safetensors": "s3://.../x.safetensors",
    "tgram://bottoken/chat": "tgram://[hidden]",
    "https://wandb.ai/bobsmith/flux/runs/3hf82jd9": "https://wandb.ai/[user]/flux/runs/3hf82jd9",
    "http://bobs-pod:8888/lab": "http://[host]:8888/lab",
}
MACHINES = {
    "http://192.168.1.5:8501 10.0.0.7, 203.0.113.9": "http://[address]:8501 [address], [address]",
    "master=10.0.0.3:29500 x=10.0.0.3 version 10.0.0.3:80": "master=[address]:29500 x=[address] version [address]:80",
    "2001:db8::1 fe80::1ff:fe23:4567:890a 00:1a:2b:3c:4d:5e": "[address] [address] [address]",
    "2001:0db8:0000:0000:0000:ff00:0042:8329": "[address]",
    "mail bob.smith+x@example.org now": "mail [e-mail] now",
    "to=bob%40example.org": "to=[e-mail]",
    "bob@workstation:~/flux$ ls": "[user]@[host]:~/flux$ ls",
    "abc123-8501.proxy.runpod.net bobs-pc.local x-y.trycloudflare.com ip-10-0-0-5.ec2.internal": "[host] [host] [host] [host]",
}
NO_MACHINES = [
    "torch 2.13.0, cuda 12.8, nvidia-cudnn-cu12==9.1.0.70, cudnn 9.1.0.70, driver 535.104.05",
    "2026-11-28 10:00:00, 10:00:00.123, 00:12<00:00, at 10:00",
    "127.0.0.1 0.0.0.0 ::1",
    "at::native c10::Error torch::autograd std::vector",
    "threading.local() self.local mAP@0.5 model@3de623f actions/checkout@v4",
    "999.1.1.1 1.2.3 1.2.3.4.5",
    "loss=1.2.3",
]


@pytest.mark.parametrize("line", PATHS)
def test_of_a_path_the_last_part_stays(line: str) -> None:
    assert hide_places(line) == PATHS[line]
    assert hide_places(PATHS[line]) == PATHS[line]


@pytest.mark.parametrize("line", STAY)
def test_what_is_no_path_stays(line: str) -> None:
    assert hide_places(line) == line


@pytest.mark.parametrize("line", URLS)
def test_an_address_in_the_web_keeps_its_page_and_no_secret(line: str) -> None:
    assert hide_places(line) == URLS[line]
    assert hide_places(URLS[line]) == URLS[line]


@pytest.mark.parametrize("line", MACHINES)
def test_machines_and_people_are_hidden(line: str) -> None:
    assert hide_machines(line) == MACHINES[line]


@pytest.mark.parametrize("line", NO_MACHINES)
def test_versions_times_and_names_of_code_stay(line: str) -> None:
    assert hide_machines(line) == line


BEFORE = ["", " ", "'", '"', "(", "[", "=", ":", ",", "->", "\t", "`", "@", "|", "\\n"]
AFTER = ["", " ", "'", '"', ")", "]", ",", ":12", ";", "...", "|"]


@pytest.mark.parametrize(
    "path", ["/srv/planted/deep/x.png", "C:\\planted\\deep\\x.png", "\\\\planted\\deep\\x.png", "~/planted/x.png"]
)
def test_a_path_is_found_behind_and_before_anything(path: str) -> None:
    for before, after in itertools.product(BEFORE, AFTER):
        start = f"a 9/20{before}" if before else ""
        hidden = hide_places(f"{start}{path}{after}")
        assert not re.search("planted|deep", hidden) and "x.png" in hidden and hidden.startswith(start), hidden


def test_of_one_part_there_is_nothing_to_hide() -> None:
    assert shorten("/tmp") == "/tmp"
    assert shorten("/a/b/") == ".../b/"
