"""Where things are, in a line of text: paths, URLs, machines, e-mail addresses. Standard library only.

Of a path its last part stays, so that a traceback and a saved file can be read: .../loop.py. What is relative is no secret.
A number over a number, a unit per step and a time of day are no paths and no addresses, whatever they look like.
"""

import ipaddress
import re
from urllib.parse import unquote

from fluxgym.access.tokens import SECRET

DOTS, HOME, HOST, USER, PERSON, ADDRESS = ".../", "[home]", "[host]", "[user]", "[e-mail]", "[address]"

# ---- URLs ------------------------------------------------------------------------------------------------------------
URL = re.compile(r"(?<![A-Za-z0-9])([A-Za-z][A-Za-z0-9+.-]{1,15})(:/{2,})([^\s\"'<>`|\\^{}]*)")
FILE_URL = re.compile(r"(?<![A-Za-z0-9])file:/+[^\s\"'<>`|]*", re.IGNORECASE)
OF_WEB = ("http", "https", "ws", "wss", "ftp", "hf", "git+http", "git+https")  # the address of a page says where it is
HOOK = re.compile(r"hook|discord(?:app)?\.com|api\.telegram\.org|(?:^|[.@])ntfy\.|office\.com|ifttt", re.IGNORECASE)
LINK = re.compile(r"/s/[\w-]{16,}")  # of our own, to one run
PUNCTUATION = ".,;:!?)"

# ---- paths -----------------------------------------------------------------------------------------------------------
APART = r"\s/\"'`<>|:\\,;"  # ends a part of a path
SEGMENT = rf"(?:[^{APART}]|(?<=\w)[',](?=\w))+"
# without an ending such as .png: behind that a path is at its end
SHORT = r"(?:[^\s/\"'`<>|:\\,;.]|(?<=\w)'(?=\w)|\.(?![A-Za-z]))+"
STOP = r"(?:to|and|in|into|from|at|on|for|with|as|or|not|is|was|of|by|than|the|has|have|are|step|epoch|loss|see|using)\b"
SPACED = rf"{SHORT}(?: (?!{STOP})[\w(&]{SHORT}){{1,3}}"  # "My Project/": other words follow it as often
UNIT = r"(?!(?:s|it|sec|step|steps|img|image|images|epoch)\b|\d)"  # behind a slash that means "per" or "of"
LAST = rf"[^{APART}()\[\]{{}}&!?=…]*"
ESCAPED = r"(?<=\\[nrt])"  # behind the end of a line that is written out
BEFORE = rf"(?:(?<![\w.~/<%)\]}}$\\])|{ESCAPED}|(?<=(?<!\w)-[ILBF]))"  # "outputs/x", "9/20", "it/s", "</b>" are no paths
POSIX = re.compile(rf"{BEFORE}/(?:{SEGMENT}/+|{SPACED}/+{UNIT})+{LAST}|{BEFORE}/(?:home|Users)/{LAST}")
OF_HOMES = re.compile(rf"(?<![\w.])/(?:home|Users)/(?:{SEGMENT}/+|{SPACED}/+{UNIT})*{LAST}")
NAMED = re.compile(
    rf"(?:\$\{{?[A-Za-z_]\w*\}}?|(?:(?<![\w./~])|{ESCAPED})~[\w-]*|%[A-Za-z]\w*%)(?:[/\\]+(?:{SEGMENT}[/\\]+)*{LAST})"
)
SHARED = re.compile(rf"(?<![\w:/.])//[A-Za-z][\w.-]*/(?:{SEGMENT}/+)*{LAST}")
WINDOWS = re.compile(
    rf"(?:(?<![A-Za-z0-9])|{ESCAPED})[A-Za-z]:(?:\\+|/(?!/))(?:{SEGMENT}(?:\\+|/+)|{SPACED}(?:\\+|/+){UNIT})*{LAST}"
)
UNC = re.compile(rf"(?:(?<![\w\\])|{ESCAPED})\\\\+[\w.$?-]+(?:\\+(?:{SPACED}(?=\\)|{SEGMENT}))+\\*")
QUOTED = re.compile(r"""(["'`])((?:/|~[\w-]*/|[A-Za-z]:[\\/]|\\\\+[^"'`\n\\/]+[\\/])[^"'`\n]*)\1""")
ENCODED = re.compile(r"(?<![\w.%+~:-])[\w.%+~:-]*%(?:25)*(?:2[Ff]|5[Cc])[\w.%+~:-]*")
ALL = (NAMED, WINDOWS, UNC, POSIX, OF_HOMES, SHARED)
OWN_HOME = re.compile(r"(?:.*/)?(?:home|Users|(?<=:/)(?i:users|documents and settings))/[^/]*/?")

# ---- machines and people ---------------------------------------------------------------------------------------------
MAIL = re.compile(r"(?<![\w.+-])[\w.+-]+(?:@|%40)[\w-]+(?:\.[\w-]+)*\.[A-Za-z]{2,}(?![\w-])")
PROMPT = re.compile(r"(?<![\w.@-])[a-z_][\w.-]{0,40}@[A-Za-z][\w.-]{0,80}(?=:[~/\\.]|:\[|:\.\.\.)")  # bob@workstation:~/flux
IPV4 = re.compile(rf"(?:(?<![\w.])|{ESCAPED})(?:\d{{1,3}}\.){{3}}\d{{1,3}}(?![\w]|\.\d)")
IPV6 = re.compile(
    rf"(?:(?<![\w:.])|{ESCAPED})(?:[0-9A-Fa-f]{{1,4}}:){{1,7}}(?::|[0-9A-Fa-f]{{1,4}})(?::?[0-9A-Fa-f]{{1,4}}){{0,7}}(?![\w:])"
)
MAC = re.compile(r"(?<![\w:-])(?:[0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}(?![\w:-])")
VERSION = re.compile(r"(?:==|[@/_v-]|version|release|driver|cudnn|cuda|nccl|cublas|build)[ :=v]{0,3}$", re.IGNORECASE)
OF_HOST = re.compile(r"//$|@$|(?:host|ip|addr|address|server|master)\W{1,3}$", re.IGNORECASE)
PUBLIC = ("127.0.0.1", "0.0.0.0", "255.255.255.255", "8.8.8.8", "1.1.1.1")
TUNNELS = [
    *("trycloudflare.com", "ngrok.io", "ngrok.app", "ngrok.dev", "ngrok-free.app", "ngrok-free.dev", "gradio.live", "loca.lt"),
    *("proxy.runpod.net", "runpod.io", "vast.ai", "ts.net", "lhr.life", "serveo.net", "compute.amazonaws.com", "litng.ai"),
]
PRIVATE = ("local", "lan", "internal", "intranet", "localdomain", "corp", "home.arpa")
MACHINE = re.compile(
    rf"(?<![\w.@-])(?!self\.)(?:[\w-]+\.)+(?:{'|'.join(map(re.escape, (*TUNNELS, *PRIVATE)))})(?![\w-]|\.\w|\()"
    r"|(?<![\w.-])ip-\d+-\d+-\d+-\d+(?:\.[\w-]+)*"
)
MACHINES = (*(f".{name}" for name in (*TUNNELS, *PRIVATE)), "ip-")


def hide_places(line: str) -> str:
    """The line without URLs' secrets, and with the last part of each path."""
    if ":/" in line:
        line = FILE_URL.sub(lambda match: shorten(unquote(match[0])), line)
        line = URL.sub(_hide_url, line)
    if "%2" in line or "%5" in line:
        line = ENCODED.sub(_hide_encoded, line)
    if "/" in line or "\\" in line:
        line = QUOTED.sub(_shorten_quoted, line)
        for paths in ALL if "\\" in line or ":/" in line else (NAMED, POSIX, OF_HOMES, SHARED):
            line = paths.sub(lambda match: shorten(match[0]), line)
    return line


def hide_machines(line: str) -> str:
    """The line without e-mail addresses, numbers of machines, and names that only lead to private ones."""
    if "@" in line or "%40" in line:
        line = MAIL.sub(PERSON, line)
        line = PROMPT.sub(f"{USER}@{HOST}", line)
    if any(name in line for name in MACHINES):
        line = MACHINE.sub(HOST, line)
    if line.count(".") > 2:
        line = IPV4.sub(_hide_ipv4, line)
    if line.count(":") > 1:
        line = MAC.sub(ADDRESS, line)
        line = IPV6.sub(_hide_ipv6, line)
    return line


def shorten(path: str) -> str:
    """Of a path its last part. A path of one part is as public as that; of a home directory nothing stays."""
    parts = [part for part in re.split(r"[/\\]+", path) if part]
    if OWN_HOME.fullmatch(path.replace("\\", "/").replace("//", "/")) and len(parts) > 1:
        return HOME
    if path.startswith(("\\\\", "//")) and len(parts) < 3:  # a machine and what it shares
        return f"{DOTS}[share]"
    if len(parts) < 2 or path.startswith(DOTS):
        return path
    return DOTS + parts[-1] if not path.endswith(("/", "\\")) else f"{DOTS}{parts[-1]}/"


def _shorten_quoted(match: re.Match[str]) -> str:
    """In JSON a backslash stands before the quotes."""
    quotes, path = match.groups()
    bare = path.rstrip("\\")
    return f"{quotes}{shorten(bare)}{path[len(bare) :]}{quotes}"


def _hide_url(match: re.Match[str]) -> str:
    scheme, between, rest = match.groups()
    end = rest[len(rest.rstrip(PUNCTUATION)) :] if not rest.endswith("...") else ""
    rest = rest.removesuffix(end)
    if not rest or rest == "[hidden]":
        return match[0]
    if scheme.lower() not in OF_WEB:
        name = rest.split("?")[0].rsplit("/", 1)[-1]
        is_file = "/" in rest and re.search(r"\.[A-Za-z]\w{1,11}$", name)
        return f"{scheme}{between}{DOTS if is_file else ''}{name if is_file else '[hidden]'}{end}"
    page, mark, asked = re.split(r"([?#])", rest, maxsplit=1) if re.search("[?#]", rest) else (rest, "", "")
    host, slash, path = page.partition("/")
    person, at, host = host.rpartition("@")
    if HOOK.search(host) or "webhook" in path.lower():
        path = SECRET if path else ""
    path = LINK.sub(f"/s/{SECRET}", slash + path)
    if host.endswith("wandb.ai"):
        path = re.sub(r"^/[^/]+(?=/.)", f"/{USER}", path)
    host = re.sub(r"^(?!localhost\b)[A-Za-z][\w-]*(?=:\d+$|$)", HOST, host)  # without a dot: of a network of one's own
    return f"{scheme}{between}{SECRET + at if person else ''}{host}{path}{mark}{'...' if asked else ''}{end}"


def _hide_encoded(match: re.Match[str]) -> str:
    """A path of which each slash is written as %2F; the name of a model has one slash, and stays."""
    path = match[0]
    for _ in range(3):
        path = unquote(path)
    is_path = path.startswith(("/", "~", "\\")) or ":" in path or path.count("/") + path.count("\\") > 1
    return shorten(f"/{path}") if is_path else match[0]


def _hide_ipv4(match: re.Match[str]) -> str:
    """A version may have four parts as well; it has no port behind it."""
    before, after = match.string[max(0, match.start() - 12) : match.start()], match.string[match.end() : match.end() + 2]
    is_address = match[0] not in PUBLIC and all(int(part) < 256 for part in match[0].split("."))
    is_version = VERSION.search(before) and not OF_HOST.search(before) and not re.match(r":\d", after)
    return ADDRESS if is_address and not is_version else match[0]


def _hide_ipv6(match: re.Match[str]) -> str:
    """A time of day has colons too; an address has eight groups, or leaves some out."""
    try:
        address = ipaddress.IPv6Address(match[0])
    except ValueError:
        return match[0]
    return match[0] if address.is_loopback or address.is_unspecified else ADDRESS
