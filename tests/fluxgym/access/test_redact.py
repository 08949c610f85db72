"""What a visitor reads: planted secrets of every kind are gone, and a training's own lines keep every number."""

import gzip
import html
import itertools
import json
import random
import re
import socket
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pytest

from fluxgym.access.redact import Redactor, redactor_of
from fluxgym.log.lines import clean, show_line
from trainer.folder import RunFolder

RECORDINGS = Path(__file__).parent.parent.parent / "recordings"
NUMBER = re.compile(r"\d[\d.:]*")


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Redactor]:
    """make(data=...): the redactor of a run on alice's machine, with secrets in its environment."""

    def build(data: str = "/srv/alice pictures/set 1", name: str = "robot") -> Redactor:
        monkeypatch.setenv("USER", "alicew")
        monkeypatch.setenv("HOME", "/home/alicew")
        monkeypatch.setenv("SERVICE_TOKEN", 'pl"anted-1')
        monkeypatch.setenv("DB_PASSWORD", "hunter2")
        monkeypatch.setattr(socket, "gethostname", lambda: "alices-tower")
        folder = RunFolder(tmp_path / "runs of alice" / name)
        folder.path.mkdir(parents=True, exist_ok=True)
        folder.config.write_text(f"[data]\nfolder = {json.dumps(data)}\n", encoding="utf-8")
        return redactor_of(folder)

    return build


def read_recordings() -> list[str]:
    texts = [path.read_text(encoding="utf-8", errors="replace") for path in (RECORDINGS / "logs").glob("*.log")]
    texts.append(gzip.decompress((RECORDINGS / "flux-mini.log.gz").read_bytes()).decode())
    return [line for text in texts for line in re.split(r"[\r\n]+", text)]


def test_recorded_logs_keep_every_number(make: Callable[..., Redactor]) -> None:
    lines = read_recordings()
    assert len(lines) > 1000
    for line, shown in zip(lines, make().lines(lines), strict=True):
        assert NUMBER.findall(shown) == NUMBER.findall(clean(line)), line
        if "/data/" not in line and "/ws/" not in line:
            assert shown == clean(line)


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("login as hunter2, not hunter22", "login as [secret], not hunter22"),
        ('{"a": "pl\\"anted-1"}', '{"a": "[secret]"}'),
        ("?q=pl%22anted-1&x", "?q=[secret]&x"),
        ("alicew@alices-tower: ALICES-TOWER at 10:00:00", "[user]@[host]: [host] at 10:00:00"),
        ("x\\nhunter2\\n203.0.113.9\\nfe80::1ff:fe23:4567:890a\\n", "x\\n[secret]\\n[address]\\n[address]\\n"),
        ("mail=alicew%40alices-tower", "mail=[user]%40[host]"),
        ("alicew_lora by alicew, alicewonder", "[user]_lora by [user], alicewonder"),
        ("\x1b[32m/srv/bob/x.png\x1b[0m 9/20", ".../x.png 9/20"),
        ("\\u001b[32m/srv/bob/x.png\\u001b[0m 9/20", ".../x.png 9/20"),
        ("hf_\x1b[1mabcdefghijklmnopqrstuvwxyzABCDEFGH", "[secret]"),
        ("Reading '/srv/alice pictures/set 1/IMG 12.jpg' 3/9", "Reading '[data set]' 3/9"),
        ("Reading /srv/alice pictures/set 1/IMG12.jpg, 3/9", "Reading [data set], 3/9"),
        ("Reading /srv/alice pictures/set 1: 9 images", "Reading [data set]: 9 images"),
        ("/srv/alice pictures/set 12/x.png", ".../x.png"),
        ("MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj", "[secret]"),
    ],
)
def test_what_is_hidden(make: Callable[..., Redactor], line: str, shown: str) -> None:
    redactor = make()
    assert redactor.text(line) == shown
    assert redactor.text(shown) == shown
    assert redactor.lines([line]) == [shown]


def test_the_folder_of_the_run_is_hidden_though_its_name_has_spaces(make: Callable[..., Redactor], tmp_path: Path) -> None:
    place = tmp_path / "runs of alice" / "robot"
    shown = make().text(f"Saving LoRA: {place}/robot-000004.safetensors (x{place}/sample) {json.dumps(str(place))}")
    assert shown == 'Saving LoRA: .../robot-000004.safetensors (x.../sample) ".../robot"'


def test_a_data_set_with_a_plain_name_is_hidden_where_it_is_a_path(make: Callable[..., Redactor]) -> None:
    shown = make("alice").text('a photo of alice; folder = "alice"; alice/IMG_1.jpg has no caption; datasets/alice/x')
    assert shown == 'a photo of alice; folder = "[data set]"; [data set] has no caption; datasets/alice/x'


def test_the_name_of_a_data_set_is_hidden_alone_too(make: Callable[..., Redactor]) -> None:
    assert make("/srv/alice-at-home").text("10 images in alice-at-home, of 12") == "10 images in [data set], of 12"


def test_a_private_key_over_several_lines(make: Callable[..., Redactor]) -> None:
    key = ["x -----BEGIN OPENSSH PRIVATE KEY-----", "b3BlbnNzaC1r", "-----END OPENSSH PRIVATE KEY----- 9/20", "steps 10/20"]
    assert make().lines(key) == ["x [secret]", "[secret]", "[secret] 9/20", "steps 10/20"]
    assert make().text("\n".join(key)) == "x [secret]\n[secret]\n[secret] 9/20\nsteps 10/20"
    whole = "a -----BEGIN PRIVATE KEY-----\\nMII\\n-----END PRIVATE KEY----- b"
    assert make().lines([whole, "c"]) == ["a [secret] b", "c"]


def test_data_is_walked(make: Callable[..., Redactor]) -> None:
    said = {"/srv/bob/x": [1, 2.5, None, True, "hunter2"], "note": {"a": ("~/x/y", 3)}, "hover": "%{y:.4f}<extra></extra>"}
    shown = make().data(said)
    assert shown == {".../x": [1, 2.5, None, True, "[secret]"], "note": {"a": [".../y", 3]}, "hover": "%{y:.4f}<extra></extra>"}


def test_a_step_is_never_touched(make: Callable[..., Redactor]) -> None:
    line = "2026-11-28 06:42:23 steps:  45%|####5     | 9/20 [03:15<03:45, 20.5s/it, loss=0.0234, avr_loss=0.0312, lr=8e-04]"
    assert make().text(line) == line
    assert make().text(f"{line} token=abcdefgh1") == f"{line} token=[secret]"


@pytest.mark.parametrize("line", ["x" * 120, "6e10a3acd9ebf6c4" * 4, "=" * 80, "#" * 45])
def test_a_long_word_is_no_key(make: Callable[..., Redactor], line: str) -> None:
    assert make().text(line) == line


PLANTED = [  # a text, and what of it nobody may read
    ("/home/alicew/planted/x.png", "planted"),
    ("/home/alicew/planted/a b/x y.png", "planted"),
    ("C:\\Users\\alicew\\planted\\x.png", "planted"),
    ("\\\\alices-tower\\planted\\x\\y.png", "planted"),
    ("file:///srv/planted/x.png", "planted"),
    ("https://u:planted@h.example/x", "planted"),
    ("~alicew/planted/x", "planted"),
    ("hunter2", "hunter2"),
    ('pl"anted-1', "anted-1"),
    (f"hf_{'aB3dE5' * 6}", "aB3dE5"),
    ("alicew@alices-tower", "alice"),
    ("bob@corp.example", "corp"),
    ("192.168.7.7:80", "192"),
    ("/srv/alice pictures/set 1/me 1.jpg", "pictures"),
]
WRITTEN: list[Callable[[str], str]] = [
    *(str, json.dumps, repr, html.escape, lambda text: quote(text, safe=""), lambda text: json.dumps({"a": text, "n": 3})),
    *(lambda text: f"'{text}'", lambda text: f'"{text}"', lambda text: f"({text})", lambda text: f"[{text}],"),
    *(lambda text: f"x={text}", lambda text: f"\x1b[32m{text}\x1b[0m", lambda text: f"\\n{text}\\n", lambda text: f"`{text}`"),
    *(lambda text: json.dumps(json.dumps({"p": text})), lambda text: f"<{text}>"),
]
AROUND = re.findall(
    r"\S+", "loss=0.0234 9/20 20.5s/it Epoch 3/16 [00:12<00:00] saving : -> at 2.13.0 |####| (x) lr=8e-04, 10:00:00 12%"
)


def test_what_is_planted_is_gone_however_it_is_written(make: Callable[..., Redactor]) -> None:
    redactor = make()
    for (text, secret), write, seed in itertools.product(PLANTED, WRITTEN, range(12)):
        drawn = random.Random(seed)
        line = " ".join([*drawn.choices(AROUND, k=seed % 4), write(text), *drawn.choices(AROUND, k=seed % 3)])
        assert secret not in redactor.text(line), line


def test_what_stands_around_it_stays(make: Callable[..., Redactor]) -> None:
    redactor = make()
    for seed in range(2000):
        line = " ".join(random.Random(seed).choices(AROUND, k=6))
        assert redactor.text(line) == line


def test_other_settings_make_another_redactor(make: Callable[..., Redactor]) -> None:
    first = make("/srv/one")
    assert make("/srv/one") is not make("/srv/two")
    assert first.text("/srv/one/x") == "[data set]"
    assert redactor_of(RunFolder(Path("/nowhere/x"))) is redactor_of(RunFolder(Path("/nowhere/x")))


def test_lines_without_end_are_read_in_time_of_their_length(make: Callable[..., Redactor]) -> None:
    """One that is read in time of its square would take hours."""
    for part in (
        "a",
        "a ",
        "/a",
        "/a b",
        "token_",
        "a@a.",
        "1:",
        "1.",
        "%2F",
        "\\a",
        "C:\\a",
        "'/",
        "-key ",
        "eyJa.",
        "a://",
        "$a/",
        "x-key-",
        "/",
        "\\",
        "KEY_",
        "A_PWD_",
        " ",
    ):
        make().text(part * 20_000)
        make().text("`" + part * 20_000)


def test_a_token_that_was_cut_at_the_end_of_a_long_line_leaves_no_beginning(make: Callable[..., Redactor]) -> None:
    token = "hf_" + "aB3dE5gH7j" * 4
    for before in range(1940, 2001):
        line = show_line(("x" * (before - 1) + " " + token + " tail" * 200).encode())
        assert "hf_" not in make().text(line), before
        assert make().text(line).endswith(" bytes)")


@pytest.mark.parametrize("slash", ["\\x2f", "\\u002F", "\\057", "&#x2F;", "&#47;"])
def test_a_path_whose_slashes_are_written_out_is_one(make: Callable[..., Redactor], slash: str) -> None:
    assert "bobby" not in make().text(f"open {slash}home{slash}bobby{slash}pictures{slash}1.png failed")
