"""What a metadata.jsonl says goes with its images, under whatever names they arrive."""

from fluxgym.dataset.described import is_description, list_captions

LINES = """{"file_name": "a b.png", "text": "one  cat"}
{"file_name": "sub/c.png", "prompt": "two"}
{"file_name": "own.png", "text": "not this"}
{"file_name": "gone.png", "text": "x"}
{"file_name": "../a b.png", "text": "x"}
{"file_name": 7, "text": "x"}
{"file_name": "d.png", "text": ["x"]}
{"file_name": "e.png", "text": ""}
[1]
{
"""


def test_captions_go_with_their_images() -> None:
    arriving = ["x/a b.png", "x/sub/c.png", "x/own.png", "x/own.txt", "x/d.png", "x/e.png", "a b.png", "x/metadata.jsonl"]
    told = list_captions("x/metadata.jsonl", "\ufeff" + LINES, arriving)
    assert told == {"x/a b.txt": "one cat", "x/sub/c.txt": "two"}
    assert list_captions("metadata.jsonl", LINES, ["a b.png"]) == {"a b.txt": "one cat"}


def test_lines_that_make_no_sense_hurt_nobody() -> None:
    assert list_captions("metadata.jsonl", "[" * 100_000 + "\n\0\n", ["a.png"]) == {}


def test_which_file_it_is() -> None:
    assert is_description("x/metadata.jsonl") and is_description("x\\metadata.jsonl") and not is_description("x.jsonl")
