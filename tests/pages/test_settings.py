"""The Settings page, and the ways to it."""

import pytest

from fluxgym.notify.services import list_services
from tests.pages.opened import open_page, press, primary, told

pytestmark = pytest.mark.usefixtures("outputs")


def test_without_a_service_there_is_one_thing_to_do() -> None:
    page = open_page("settings")
    assert page.title[0].value == "Settings"
    assert "None is set up yet" in told(page)
    assert primary(page) == ["Add"]
    assert page.text_input[0].proto.type == page.text_input[0].proto.PASSWORD


def test_the_way_from_the_form_and_back_keeps_the_form() -> None:
    train = open_page("train")
    train.text_input(key="form:name").set_value("my-cat").run()
    page = press(train, "Services")
    assert page.title[0].value == "Settings"
    page.text_input(key="service-url").set_value("ntfy://a-topic")
    press(page, "Add")
    assert [service.name for service in list_services()] == ["ntfy: ntfy.sh"]
    page.switch_page("pages/train.py").run()
    assert page.text_input(key="form:name").value == "my-cat"
    assert "by 1 service" in told(page)
