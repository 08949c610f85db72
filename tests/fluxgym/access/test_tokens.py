"""Secrets are found by their look and by their name; what a training says of its numbers stays."""

import random
import re
import secrets
import string

import pytest

from fluxgym.access.tokens import SECRET, SERVICES, hide_secrets, is_random

ALNUM = string.ascii_letters + string.digits
HEX = "0123456789abcdef"
TRIES = 40


def draw(letters: str, count: int) -> str:
    return "".join(secrets.choice(letters) for _ in range(count))


EXAMPLES = {  # how each service writes its tokens; every row of the table has one
    "Hugging Face": lambda: f"hf_{draw(string.ascii_letters, 34)}",
    "Weights & Biases": lambda: draw(HEX, 40),
    "OpenAI, Anthropic, OpenRouter": lambda: (
        secrets.choice(["sk-", "sk-proj-", "sk-ant-api03-", "sk-or-v1-"]) + draw(ALNUM, 40)
    ),
    "AWS": lambda: f"AKIA{draw(string.ascii_uppercase + string.digits, 16)}",
    "GitHub": lambda: secrets.choice([f"ghp_{draw(ALNUM, 36)}", f"github_pat_{draw(ALNUM, 22)}_{draw(ALNUM, 59)}"]),
    "GitLab": lambda: f"glpat-{draw(ALNUM, 20)}",
    "Slack": lambda: f"xoxb-{draw(string.digits, 12)}-{draw(ALNUM, 24)}",
    "Google": lambda: f"AIza{draw(ALNUM + '-_', 35)}",
    "Discord": lambda: f"M{draw(ALNUM, 23)}.{draw(ALNUM, 6)}.{draw(ALNUM, 38)}",
    "Telegram": lambda: f"{draw('123456789', 10)}:AA{draw(ALNUM + '_-', 33)}",
    "JSON web token": lambda: f"eyJ{draw(ALNUM, 20)}.eyJ{draw(ALNUM, 30)}.{draw(ALNUM + '-_', 43)}",
    "Stripe": lambda: f"sk_live_{draw(ALNUM, 24)}",
    "Replicate, Groq, xAI, NVIDIA, RunPod": lambda: f"rpa_{draw(string.ascii_uppercase + string.digits, 40)}",
    "npm, PyPI, Docker": lambda: f"npm_{draw(ALNUM, 36)}",
    "DigitalOcean, SendGrid, Twilio": lambda: f"dop_v1_{draw(HEX, 64)}",
    "Tailscale, ModelScope, Kaggle": lambda: f"tskey-auth-{draw(ALNUM, 16)}",
    "age": lambda: f"AGE-SECRET-KEY-1{draw(string.ascii_uppercase, 58)}",
}
PLACES = [
    "{}",
    "2026-11-24 15:37:59 using {} now",
    "token {}.",
    "('{}',)",
    '{{"a": "{}", "b": 1}}',
    "x={},y=2",
    "TOKEN_{}",
    "/home/bob/{}/x",
    "https://example.org/a/{}/b",
    "[{}]",
    "<{}>",
    "\\n{}\\n",
]


def test_every_service_has_an_example() -> None:
    assert EXAMPLES.keys() == SERVICES.keys()


@pytest.mark.parametrize("service", EXAMPLES)
def test_a_token_is_found_wherever_it_stands(service: str) -> None:
    for _ in range(TRIES):
        token = EXAMPLES[service]()
        for place in PLACES:
            hidden = hide_secrets(place.format(token))
            assert token not in hidden and SECRET in hidden, (token, hidden)


NAMED = {
    "password=X": "password=[secret]",
    "DB_PASS=X": "DB_PASS=[secret]",
    "export HF_TOKEN=X; python train.py": "export HF_TOKEN=[secret]; python train.py",
    "wandb_api_key: X, lr: 1e-4": "wandb_api_key: [secret], lr: 1e-4",
    '{"api_key": "X", "steps": 600}': '{"api_key": "[secret]", "steps": 600}',
    '"{\\"secret\\": \\"X\\", \\"steps\\": 600}"': '"{\\"secret\\": \\"[secret]\\", \\"steps\\": 600}"',
    "Namespace(huggingface_token='X', steps=600)": "Namespace(huggingface_token='[secret]', steps=600)",
    "--token X --steps 600": "--token [secret] --steps 600",
    "--hf-token=X --steps 600": "--hf-token=[secret] --steps 600",
    "['--wandb_api_key', 'X', '--steps', '600']": "['--wandb_api_key', '[secret]', '--steps', '600']",
    "Authorization: Bearer X": "Authorization: [secret]",
    "curl -H 'Authorization: Basic X' -s": "curl -H 'Authorization: [secret]' -s",
    "headers={'X-Api-Key': 'X'}": "headers={'X-Api-Key': '[secret]'}",
    "Set-Cookie: session=X; Path=/": "Set-Cookie: [secret]",
    "curl -u bob:X https://example.org": "curl -u [secret] https://example.org",
    "machine api.wandb.ai login user password X": "machine api.wandb.ai login [secret] password [secret]",
    'os.environ["OPENAI_API_KEY"] = "X"': 'os.environ["OPENAI_API_KEY"] = "[secret]"',
    "Enter passphrase for key: X": "Enter passphrase for key: [secret]",
}


@pytest.mark.parametrize("line", NAMED)
@pytest.mark.parametrize("value", ["hunter2", "Tr0ub4dor&3", "a/b+c==", "x-y.z", "p%40ss"])
def test_a_value_is_hidden_by_its_name(line: str, value: str) -> None:
    assert (
        hide_secrets(line.replace("X", value, 1) if "X-Api" not in line else line.replace("'X'", f"'{value}'")) == NAMED[line]
    )


@pytest.mark.parametrize("line", ['password: "correct horse battery"', "Password: correct horse battery"])
def test_a_password_may_have_several_words(line: str) -> None:
    hidden = hide_secrets(line)
    assert "horse" not in hidden and "battery" not in hidden


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("The password is hunter2x now", "The password is [secret] now"),
        ("use api key abcdef123456, please", "use api key [secret], please"),
        ("Username for 'https://github.com': bob", "Username for 'https://github.com': [user]"),
        ("hostname: bobs-tower, rank 0", "hostname: [host], rank 0"),
        ("token is invalid or expired", "token is invalid or expired"),
        ("Invalid username or password.", "Invalid username or password."),
        ("max token 225, secret santa", "max token 225, secret santa"),
    ],
)
def test_what_is_said_in_words(line: str, shown: str) -> None:
    assert hide_secrets(line) == shown


def test_who_is_logged_in_is_hidden() -> None:
    line = "wandb: Currently logged in as: alice (alice-team) to https://api.wandb.ai."
    assert hide_secrets(line) == "wandb: Currently logged in as: [user] to https://api.wandb.ai."


@pytest.mark.parametrize(
    "line",
    [
        "token: 77",
        "tokens per second: 1203.2",
        "max_token_length=225",
        "pad_token_id = 0, eos_token: </s>",
        "hf_token=None, lr=1e-4",
        "--keep_tokens 1 --max_token_length 225 --trigger-token sks_robot_style",
        "trigger token: sks robot",
        "TOKENIZERS_PARALLELISM=false",
        "KeyError: 'transformer.single_transformer_blocks.37.attn.to_k.lora_A.weight'",
        "lora key: lora_unet_double_blocks_0_img_attn_proj.lora_down.weight",
        "missing keys: 0, unexpected keys: 12",
        "author: somebody, keyword=3, monkey=4",
        "commit 0123456789abcdef0123456789abcdef01234567",
        "models--black-forest-labs--FLUX.1-dev/snapshots/0123456789abcdef0123456789abcdef01234567",
        "Loading T5EncoderModelForConditionalGeneration2DText",
        "Saving LoRA: outputs/My-LoRA/My-LoRA_e000010_03_20261128064329_45.png",
        "steps:  45%|####      | 9/20 [03:15<03:45, 20.5s/it, loss=0.0234, avr_loss=0.0312, lr=8e-04]",
        "black-forest-labs/FLUX.1-Kontext-dev flux1-dev-fp8-e4m3fn.safetensors",
        f"cache/latents/{'6e10a3acd9ebf6c4' * 4}.safetensors",
    ],
)
def test_what_a_training_says_stays(line: str) -> None:
    assert hide_secrets(line) == line


def test_a_word_drawn_by_chance_is_told_from_one_with_a_meaning() -> None:
    drawn = [secrets.token_urlsafe(32) for _ in range(400)]
    assert sum(map(is_random, drawn)) > 380
    assert not any(map(is_random, ["FluxTransformer2DModelForTrainingV2", "SDXL_v1-0_A1111_x4_R16_B2_L1e-4_S42"]))


@pytest.mark.parametrize("line", NAMED.values())
def test_hiding_twice_changes_nothing(line: str) -> None:
    assert hide_secrets(line) == line


def test_numbers_survive_random_lines_of_numbers() -> None:
    for seed in range(500):
        drawn = random.Random(seed)
        line = f"epoch {drawn.randint(1, 99)}/{drawn.randint(1, 99)} loss={drawn.random():.4f}, {drawn.random() * 9:.2f}it/s"
        assert re.findall(r"[\d.]+", hide_secrets(line)) == re.findall(r"[\d.]+", line)
