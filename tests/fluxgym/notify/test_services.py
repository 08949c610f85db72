"""The services' file: its owner's alone, written as a whole, never overwritten when damaged; lists show no secret."""

import json
import threading

import pytest

from fluxgym.notify import services
from fluxgym.notify.send import ServiceError
from fluxgym.run.tell import has_services
from tests.fluxgym.notify.conftest import SECRET

URLS = [f"json://owner:{SECRET}@localhost", f"ntfy://{SECRET}", f"tgram://123456789:{SECRET}_{SECRET}/12345"]


def test_add_list_remove(services_file):
    assert services.list_services() == []
    for number, url in enumerate(URLS, 1):
        assert services.add_service(f" {url}\n").number == number
    assert services.read_urls() == URLS
    assert [service.name for service in services.list_services()] == ["JSON: localhost", "ntfy: ntfy.sh", "Telegram"]
    assert services.remove_service(2).name == "ntfy: ntfy.sh"
    assert services.read_urls() == [URLS[0], URLS[2]]
    services.remove_service(1)
    assert has_services()
    services.remove_service(1)
    assert not has_services()


def test_the_file_is_its_owners_alone(services_file):
    services.add_service(URLS[0])
    services.add_service(URLS[1])
    assert services_file.stat().st_mode & 0o777 == 0o600
    assert services_file.parent.stat().st_mode & 0o777 == 0o700
    assert {path.name for path in services_file.parent.iterdir()} == {"notify.json", "notify.json.lock"}


def test_a_folder_that_is_there_keeps_its_mode(services_file):
    services_file.parent.mkdir(mode=0o755)
    services.add_service(URLS[0])
    assert services_file.parent.stat().st_mode & 0o777 == 0o755


def test_services_of_the_environment_are_listed_last_and_not_removed(services_file, monkeypatch):
    monkeypatch.setenv("FLUXGYM_NOTIFY", f"{URLS[1]}  {URLS[2]}")
    services.add_service(URLS[0])
    assert services.read_urls() == URLS
    assert [service.can_remove for service in services.list_services()] == [True, False, False]
    with pytest.raises(ServiceError, match="Telegram is set up in FLUXGYM_NOTIFY, remove it there"):
        services.remove_service(3)


@pytest.mark.parametrize("number", [-1, 0, 2])
def test_a_wrong_number(services_file, number):
    with pytest.raises(ServiceError, match="no service is set up"):
        services.remove_service(number)
    services.add_service(URLS[0])
    for ask in (services.remove_service, services.try_services):
        with pytest.raises(ServiceError, match=f"got the service {number}, expected a number from 1 to 1"):
            ask(number)


def test_a_wrong_or_known_url_changes_nothing(services_file):
    services.add_service(URLS[0])
    before = services_file.read_bytes()
    with pytest.raises(ServiceError, match="JSON: localhost is set up already"):
        services.add_service(URLS[0])
    with pytest.raises(ServiceError, match="without a scheme"):
        services.add_service(SECRET)
    assert services_file.read_bytes() == before


@pytest.mark.parametrize("damage", [b"", b"[]", b'{"version": 2, "urls": []}', b'{"version": 1, "urls": [1]}', b"\xff", b"{"])
def test_a_damaged_file_is_told_and_kept(services_file, damage):
    services_file.parent.mkdir()
    services_file.write_bytes(damage)
    for ask in (services.read_urls, services.list_services, lambda: services.add_service(URLS[0])):
        with pytest.raises(ServiceError, match=r"notify.json cannot be read: it is damaged or of another version"):
            ask()
    assert services_file.read_bytes() == damage


def test_two_that_add_at_once_lose_nothing(services_file):
    urls = [f"json://localhost/{number}" for number in range(8)]
    threads = [threading.Thread(target=services.add_service, args=(url,)) for url in urls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(json.loads(services_file.read_text())["urls"]) == urls


def test_trying_services_says_what_became_of_each(services_file, start_service):
    good, bad = start_service(), start_service(403)
    services.add_service(good.url)
    services.add_service(bad.url)
    assert [outcome.words for outcome in services.try_services()] == ["sent", "it answered with error 403"]
    assert [outcome.words for outcome in services.try_services(1)] == ["sent"]
    assert [got["title"] for got in good.got] == ["FluxGym: a test"] * 2
