"""Messages arrive whole; a service that is dead, hangs or refuses keeps nobody waiting, and no word of a URL gets out."""

import base64
import io
import logging
import time

import pytest

from fluxgym.notify.send import Message, ServiceError, masked_name, send, understand
from tests.fluxgym.notify.conftest import SECRET

MESSAGE = Message("small: failed", "It broke off.\n<b>&", "failed")


def test_a_message_with_its_picture_arrives(start_service, tmp_path):
    service, picture = start_service(), tmp_path / "newest.png"
    picture.write_bytes(b"a picture")
    [outcome] = send([service.url], Message(MESSAGE.title, MESSAGE.body, "failed", picture))
    assert (outcome.name, outcome.is_sent, outcome.words) == ("JSON: 127.0.0.1", True, "sent")
    [got] = service.got
    assert (got["title"], got["message"], got["type"]) == (MESSAGE.title, MESSAGE.body, "failure")
    assert base64.b64decode(got["attachments"][0]["base64"]) == b"a picture"


def test_one_that_hangs_keeps_no_other_waiting(start_service, refused_url):
    services = [start_service(None), start_service(), start_service(500)]
    begun = time.monotonic()
    outcomes = send([*(service.url for service in services), refused_url, "json://"], MESSAGE, limit=2)
    assert time.monotonic() - begun < 15  # of a machine that is busy; without the limit it hangs as long as the service
    assert [outcome.words for outcome in outcomes[:4]] == [
        "no answer within 2 s",
        "sent",
        "it answered with error 500",
        "it cannot be reached, or does not answer",
    ]
    assert outcomes[4].words.startswith("got a URL of json:// that lacks something")
    assert [outcome.is_sent for outcome in outcomes] == [False, True, False, False, False]
    assert len(services[0].got) == 1


def test_nothing_of_a_url_is_said_anywhere(start_service, refused_url, capfd):
    heard = io.StringIO()
    listener = logging.StreamHandler(heard)
    logging.getLogger().addHandler(listener)
    level = logging.getLogger().level
    logging.getLogger("apprise").setLevel(logging.DEBUG)
    try:
        outcomes = send([refused_url, start_service(500).url, f"jsn://{SECRET}", SECRET], MESSAGE)
        for url in (f"jsn://{SECRET}@host", f"{SECRET} json://x", f"tgram://{SECRET}", f"discord://{SECRET}"):
            with pytest.raises(ServiceError) as refused:
                understand(url)
            assert SECRET not in str(refused.value)
    finally:
        logging.getLogger().removeHandler(listener)
        logging.getLogger().setLevel(level)
    assert SECRET not in repr(outcomes) + heard.getvalue() + "".join(capfd.readouterr())


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("secret", "got a text without a scheme, expected a URL of Apprise such as ntfy://topic"),
        ("", "got a text without a scheme"),
        ("tgrm://secret", "got the scheme tgrm://; did you mean .*tgram"),
        ("qqqqqq://secret", "got the scheme qqqqqq://; expected one of Apprise, such as ntfy://topic"),
        (
            "https://secret.example.org/x",
            "got https://, expected the service's own scheme, .*; for a receiver of yours jsons://$",
        ),
        ("http://secret.example.org", "for a receiver of yours json://$"),
        ("discord://secret", "got a URL of discord:// that lacks something"),
        (f"{'secret' * 9}://x", "got a text without a scheme"),
    ],
)
def test_a_wrong_url_is_told_by_its_scheme(url, said):
    with pytest.raises(ServiceError, match=said) as refused:
        understand(url)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("ntfy://secret-topic", "ntfy: ntfy.sh"),
        ("ntfys://me:secret@example.com/topic", "ntfy: example.com"),
        ("discord://123456789012345678/secret", "Discord"),
        ("tgram://123456789:secret_secret_secret_secret/12345", "Telegram"),
        ("mailtos://me:secret@example.com", "E-Mail: example.com"),
        ("gotify://example.com/secret", "Gotify: example.com"),
        (f"matrix://{'secret' * 10}secr", "Matrix"),
        ("schan://secret", "ServerChan"),
    ],
)
def test_names_are_masked(url, name):
    assert masked_name(understand(url)) == name


def test_a_service_that_takes_little_gets_the_beginning(start_service, monkeypatch):
    import apprise.plugins.custom_json

    monkeypatch.setattr(apprise.plugins.custom_json.NotifyJSON, "body_maxlen", 100)
    service = start_service()
    [outcome] = send([service.url], Message("long", "x" * 1000))
    assert outcome.is_sent
    assert [len(got["message"]) for got in service.got] == [100]


def test_whatever_breaks_in_a_service_is_its_own(start_service, monkeypatch):
    import apprise

    def break_off(*args, **options):
        raise RuntimeError(SECRET)

    monkeypatch.setattr(apprise.Apprise, "notify", break_off)
    [outcome] = send([start_service().url], MESSAGE)
    assert (outcome.is_sent, outcome.words) == (False, "it broke off with RuntimeError")
