"""The pages before all others: they say what to do, show outside text as text, load nothing, and lead nowhere else."""

import re

import pytest

from fluxgym.access import doors

PAGES = [doors.sign_in("", "/"), doors.ask_log_out("/base"), doors.logged_out(""), doors.dead_link()]


@pytest.mark.parametrize("page", PAGES, ids=range(len(PAGES)))
def test_a_page_needs_nothing_else_and_is_not_kept(page):
    text = bytes(page.body).decode()
    assert "<script" not in text and not re.search(r"(src|href)=\"(?!/|#)", text) and "@import" not in text
    assert page.headers["cache-control"] == "no-store" and "noindex" in text


def test_what_came_from_outside_is_shown_as_text():
    text = bytes(doors.sign_in("", '/"><script>alert(1)</script>', '<img src="x">').body).decode()
    assert "<script>" not in text and "<img" not in text and "&lt;img" in text


def test_a_password_is_asked_for_where_one_was_set():
    assert b"Password" in doors.sign_in("", "/", has_password=True).body
    assert b"python -m fluxgym key" in doors.sign_in("", "/").body


@pytest.mark.parametrize("path", ["/", "/run?run=a&tab=Log", "/base/train", "/a%20b"])
def test_a_path_of_this_server_is_gone_to(path):
    assert doors.local(path, "/base") == path


@pytest.mark.parametrize(
    "path",
    [
        "",
        "//evil.example",
        "/\\evil.example",
        "https://evil.example",
        "/a\\b",
        "/a\nb",
        "/a b",
        "javascript:alert(1)",
        "/\u00e9",
    ],
)
def test_anything_else_leads_to_the_start(path):
    assert doors.local(path, "/base") == "/base/"
