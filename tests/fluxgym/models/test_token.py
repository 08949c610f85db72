"""The access token: where it is from, where it goes, and that nobody else sees it."""

import stat
import subprocess
import sys

import pytest

from fluxgym.models.token import (
    Token,
    TokenRefused,
    ask_owner,
    find_token,
    find_token_problem,
    forget_token,
    store_token,
    token_file,
)
from tests.fluxgym.models.hub import TOKEN, Hub
from trainer.mini import MODEL


def test_what_is_stored_is_found_by_the_hub_s_library_and_by_nobody_else(home):
    assert find_token() is None and not forget_token()
    store_token(f"  {TOKEN}\n")
    assert find_token() == Token(TOKEN, str(home / "token"))
    assert stat.S_IMODE((home / "token").stat().st_mode) == 0o600 and [path.name for path in home.iterdir()] == ["token"]
    program = "from huggingface_hub import get_token; print(get_token())"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.strip() == TOKEN
    assert TOKEN not in repr(find_token())
    assert forget_token() and find_token() is None


def test_variables_count_first(monkeypatch):
    store_token(TOKEN)
    monkeypatch.setenv("HUGGING_FACE_HUB_TOKEN", "hf_older_variable")
    assert find_token().origin == "HUGGING_FACE_HUB_TOKEN" and find_token().is_variable
    monkeypatch.setenv("HF_TOKEN", "hf_variable")
    assert find_token() == Token("hf_variable", "HF_TOKEN")


@pytest.mark.parametrize(
    "secret", ["", "hf_", "two words", "hf_<script>alert(1)</script>", "a" * 300, "hf_\u00e4\u00f6\u00fc1234"]
)
def test_what_is_no_token_is_refused_without_being_repeated(secret):
    with pytest.raises(TokenRefused) as caught:
        store_token(secret)
    assert not token_file().exists() and (len(secret) < 4 or secret not in str(caught.value))


def test_forgetting_takes_it_out_of_the_library_s_list_too(home):
    store_token(TOKEN)
    listed = home / "stored_tokens"
    listed.write_text(f"[mine]\nhf_token = {TOKEN}\nexpires_at = 5\n\n[work]\nhf_token = hf_other%token\nrefresh_token = r\n")
    assert forget_token()
    assert TOKEN not in listed.read_text() and "mine" not in listed.read_text()
    assert "hf_other%token" in listed.read_text() and "refresh_token = r" in listed.read_text()
    assert stat.S_IMODE(listed.stat().st_mode) == 0o600


def test_the_hub_says_whose_it_is(monkeypatch):
    hub = Hub("somebody/flux", MODEL)
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    assert ask_owner(TOKEN) == "somebody"
    with pytest.raises(TokenRefused, match="the Hub does not know this token") as refused:
        ask_owner("hf_wrong_token")
    hub.close()
    monkeypatch.setenv("HF_ENDPOINT", hub.url.replace("127.0.0.1", "127.0.0.2"))  # nobody is there
    with pytest.raises(OSError, match="could not be asked") as unreachable:
        ask_owner(TOKEN)
    assert "hf_wrong_token" not in str(refused.value) and TOKEN not in str(unreachable.value)


def test_gated_models_need_one():
    problem = find_token_problem("black-forest-labs/FLUX.1-dev")
    assert "accept it at https://huggingface.co/black-forest-labs/FLUX.1-dev" in problem and "models token" in problem
    for base in ("black-forest-labs/FLUX.2-klein-base-4B", "trainer/mini/flux-mini", "somebody/flux", ""):
        assert find_token_problem(base) == ""
    store_token(TOKEN)
    assert find_token_problem("black-forest-labs/FLUX.1-dev") == ""
