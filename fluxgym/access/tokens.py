"""Secrets in a line of text, found by how they look or by the name that stands before them. Standard library only.

SERVICES is a table: how a service's tokens begin. What has no such beginning is found by its name ("password: ...",
"--token ...", "Authorization: ..."), or because nobody would write such a word by hand.
"""

import re

SECRET = "[secret]"
SERVICES = {  # a token begins where no letter or digit stands before it, or behind "\n" in JSON
    "Hugging Face": r"(?:hf|api_org)_[A-Za-z0-9]{20,}",
    "Weights & Biases": r"wandb_v\d_\w{20,}|local-[0-9a-f]{40}",
    "OpenAI, Anthropic, OpenRouter": r"(?:sk|sess)-[\w-]{16,}",
    "AWS": r"(?:AKIA|ASIA|AGPA|AIDA|AROA|ANPA|ABIA|ACCA)[A-Z0-9]{16}",
    "GitHub": r"gh[pousr]_[A-Za-z0-9]{20,}|github_pat_\w{20,}",
    "GitLab": r"gl[a-z]{2,5}-[\w-]{20,}",
    "Slack": r"xox[a-z]-[\w-]{10,}|xapp-[\w-]{10,}",
    "Google": r"AIza[\w-]{30,}|ya29\.[\w.-]{20,}|GOCSPX-[\w-]{20,}|1//0[\w-]{30,}",
    "Discord": r"[MNO][\w-]{22,}\.[\w-]{6,}\.[\w-]{27,}|mfa\.[\w-]{20,}",
    "Telegram": r"\d{8,10}:[\w-]{35}",
    "JSON web token": r"eyJ[\w-]{8,}\.[\w-]{4,}(?:\.[\w-]*)?",
    "Stripe": r"[srp]k_(?:live|test)_\w{16,}|whsec_[\w/+]{20,}",
    "Replicate, Groq, xAI, NVIDIA, RunPod": r"r8_\w{30,}|gsk_\w{20,}|xai-\w{20,}|nvapi-[\w-]{20,}|rpa_\w{20,}",
    "npm, PyPI, Docker": r"npm_\w{20,}|pypi-[\w-]{20,}|dckr_pat_[\w-]{20,}",
    "DigitalOcean, SendGrid, Twilio": r"do[a-z]_v1_\w{20,}|SG\.[\w-]{16,}\.[\w-]{16,}|SK[0-9a-f]{32}",
    "Tailscale, ModelScope, Kaggle": r"tskey-[\w-]{16,}|ms-[0-9a-f]{8}-[0-9a-f-]{20,}|KGAT_\w{20,}",
    "age": r"AGE-SECRET-KEY-1\w{20,}",
}
LONG_WORD = re.compile(r"[\w.:/+~\\-]{16,}")  # what may hold a token; an ordinary line of a log has none or few
TOKEN = re.compile(rf"(?:(?<![A-Za-z0-9])|(?<=\\[nrt]))(?:{'|'.join(SERVICES.values())})", re.ASCII)
HEX40 = re.compile(r"(?<![0-9A-Fa-f])[0-9a-f]{40}(?![0-9A-Fa-f])")  # a key of W&B looks so; so does a commit of git
COMMIT = re.compile(r"(?:commit|revision|rev|sha1?|hash|snapshots|blobs|git|HEAD)\W{0,8}(?:is |at )?$|@$", re.IGNORECASE)
RANDOM = re.compile(r"[A-Za-z0-9_-]{24,}")
PART = re.compile(r"[A-Z]?[a-z]+|[A-Z]+|[0-9]+")
RANDOM_PARTS = 0.28  # a letter: by chance it is about 0.55, in words run together below 0.25

# ---- by name ---------------------------------------------------------------------------------------------------------
HINTS = [
    *("token", "pass", "pwd", "secret", "key", "auth", "credential", "bearer", "cookie", "webhook", "logged", "login", "dsn"),
    *("-u", "username", "hostname", "host name", "host_name"),
]
OPEN = r"""\\*["'`]?"""
VALUE = r"""(?:\[secret\]|\\*"[^"]*"?|\\*'[^']*'?|`[^`]*`?|(?:[^\s,;"'`)\]}]|[,;](?=[^\s"'`]))+)"""
SET = rf"""(\\*["'`]?\]?\s{{0,4}}(?::=|=>|[:=])\s{{0,4}})({VALUE})"""
KEYS = r"(?:api|access|secret|private|client|account|master|encryption|signing|license|deploy|share|owner)[_-]?key"
TOKENS = r"(?:auth|access|refresh|bearer|session|security|hf|hub|hugging_?face|github|gh|gitlab|wandb|slack|bot|api|login|user)"
TOKENS += r"[_-]?token"
NAMED = re.compile(
    rf"(?<![\w.-])([\w.-]*(?:passw(?:or)?d|passphrase|(?<![a-z])secret|{KEYS}|{TOKENS}|credential|webhook(?:[_-]?url)?)s?\d?){SET}",
    re.IGNORECASE,
)
BARE = re.compile(rf"(?<![\w.-])((?:[\w.-]*[._-])?(?:token|auth|pwd)){SET}", re.IGNORECASE)
OF_ENVIRONMENT = re.compile(
    r"(?<![A-Za-z0-9_])((?:[A-Z0-9]+_){0,9}(?:TOKEN|KEY|SECRET|PASSWORD|CREDENTIALS|DSN|WEBHOOK)(?:_[A-Z0-9]+){0,9}"
    rf"|(?:[A-Z0-9]+_){{1,9}}(?:PASS|PWD|AUTH)(?:_[A-Z0-9]+){{0,9}}){SET.replace(':=|=>|[:=]', '=')}"
)
FLAG = re.compile(
    rf"(?<![\w-])(--?(?:[\w-]*[_-])?(?:token|key|pass\w*|secret|auth|credentials?|pwd))"
    rf"""(\s+|=|["'],\s*(?=["']))({VALUE})""",
    re.IGNORECASE,
)
PHRASE = re.compile(
    r"""(pass(?:word|wd|phrase)(?: for [^:\s]{1,80})?\s{0,4}:\s{1,4})(?!\[)([^\s"'{\[][^,;"'}\]]*)""", re.IGNORECASE
)
HEADER = re.compile(
    rf"""((?:authorization|(?:set-)?cookie|x-[\w-]{{0,40}}(?:key|token|auth|signature)[\w-]{{0,40}}){OPEN}\s{{0,4}}[:=]\s{{0,4}}{OPEN})"""
    r"""([^"'`\\]+)""",
    re.IGNORECASE,
)
BEARER = re.compile(r"(\bbearer\s+)([\w.~+/=-]{8,})", re.IGNORECASE)
NETRC = re.compile(r"(\blogin\s+)(\S+)(\s+password\s+)(\S+)")
CURL = re.compile(r"((?<!\w)(?:-u|--user)[ =])([^\s:]+:\S+)")
ACCOUNT = re.compile(r"(logged in (?:as|to \S+ as):?\s+)(\S+(?:\s+\([^)]{0,80}\))?)", re.IGNORECASE)
SPOKEN = re.compile(  # what has digits and letters is no word of a sentence
    r"((?:password|passphrase|secret|token|api[ _-]key|access key)(?: is|:|=)?\s{1,4}[\"']?)"
    r"((?=\S{0,99}\d)(?=\S{0,99}[A-Za-z])[\w+/=.-]{8,})",
    re.IGNORECASE,
)
WHO = re.compile(r"(\busername(?: for \S{1,99})?\s{0,4}[:=]\s{0,4}[\"']?)([^\s\"',;]+)", re.IGNORECASE)
WHERE = re.compile(r"(\bhost[ _]?name\s{0,4}[:=]\s{0,4}[\"']?)([^\s\"',;]+)", re.IGNORECASE)
SSH_KEY = re.compile(r"(ssh-(?:rsa|dss|ed25519)|ecdsa-sha2-\S{1,40}) AAAA\S+(?: \S+@\S+)?")
HARMLESS = re.compile(
    r"""["'`\\]*(?:none|null|nil|true|false|yes|no|unset|set|missing|required|optional|<[^>]*>|\*+|\W*)["'`\\]*""", re.I
)
# tokens of a tokenizer, of a trigger: what a training tells of all the time
OF_WORDS = (
    "trigger|class|pad|padding|eos|bos|unk|mask|placeholder|initializer|special|instance|stop|image|sep|cls|new|num|max|min"
)
ORDINARY = re.compile(
    rf"(?:^|[._-])(?:{OF_WORDS}|start|end|next|prev|per|each|text|prompt|keep|step)[._-]?tokens?$|position", re.I
)
SHORTEST = 8  # characters of a value that is hidden only because its name is "token"


def hide_secrets(line: str) -> str:
    """The line with [secret] in place of each secret. Lines only: what is hidden may reach to the end."""
    lower = line.lower()
    if any(hint in lower for hint in HINTS):
        line = _hide_named(line)
    return LONG_WORD.sub(_hide_in_word, line)


def is_random(word: str) -> bool:
    """Whether a long word looks drawn by chance: small and capital letters and digits, well mixed. A name has parts instead."""
    if word.islower() or word.isupper() or not any(map(str.isdigit, word)):
        return False
    joints = word.count("-") + word.count("_")
    return joints <= len(word) / 10 and len(PART.findall(word)) > RANDOM_PARTS * len(word)


def _hide_named(line: str) -> str:
    line = HEADER.sub(_put, line)
    line = BEARER.sub(_put, line)
    line = PHRASE.sub(_put, line)
    line = NAMED.sub(_put_value, line)
    line = OF_ENVIRONMENT.sub(_put_value, line)
    line = BARE.sub(_put_token, line)
    line = FLAG.sub(_put_value, line)
    line = NETRC.sub(rf"\1{SECRET}\3{SECRET}", line)
    line = CURL.sub(_put, line)
    line = SPOKEN.sub(_put, line)
    line = WHO.sub(r"\1[user]", ACCOUNT.sub(r"\1[user]", line))
    line = WHERE.sub(r"\1[host]", line)
    return SSH_KEY.sub(rf"\1 {SECRET}", line)


def _put(match: re.Match[str]) -> str:
    return match[0] if match[2].startswith(SECRET) else match[1] + SECRET


def _put_value(match: re.Match[str]) -> str:
    """A value that says nothing stays: `token=None` is what somebody looks for."""
    name, between, value = match.groups()
    if HARMLESS.fullmatch(value) or value.lstrip("\"'\\`").startswith(SECRET) or ORDINARY.search(name):
        return match[0]
    mark = re.match(r"""\\*["'`]""", value)
    return f"{name}{between}{mark[0]}{SECRET}{mark[0]}" if mark else f"{name}{between}{SECRET}"


def _put_token(match: re.Match[str]) -> str:
    """A short word or a plain number behind "token" is one of a text's tokens."""
    value = match[3].strip("\"'\\`")
    return match[0] if len(value) < SHORTEST or re.fullmatch(r"[\d.,_]+", value) else _put_value(match)


def _hide_in_word(match: re.Match[str]) -> str:
    word = TOKEN.sub(SECRET, match[0])
    if len(word) >= 40 and HEX40.search(word):
        before = match.string[max(0, match.start() - 30) : match.start()]
        word = HEX40.sub(lambda key: key[0] if COMMIT.search(before + word[: key.start()]) else SECRET, word)
    return RANDOM.sub(lambda part: SECRET if is_random(part[0]) else part[0], word) if len(word) >= 24 else word
