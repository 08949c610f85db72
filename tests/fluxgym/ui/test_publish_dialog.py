"""Publishing and zipping from the Run page."""

from streamlit.testing.v1 import AppTest

from fluxgym.job.folder import DONE, read_job
from fluxgym.publish.publishing import find_publishing
from tests.fluxgym.publish.a_run import folder, hub

__all__ = ["folder", "hub"]


def script() -> None:
    from fluxgym.run.folders import find_run
    from fluxgym.ui import publish_dialog

    folder = find_run("robot")
    publish_dialog.draw_buttons(folder)
    publish_dialog.answer(folder)


def press(key: str) -> AppTest:
    page = AppTest.from_function(script, default_timeout=20).run()
    page.button(key=f"{key}:robot").click().run()
    assert not page.exception
    return page


def test_it_is_published_and_its_address_is_shown(folder, hub, wait_until):
    page = press("publish")
    assert page.selectbox(key="publish-lora").options[0].startswith("robot.safetensors (final")
    assert page.multiselect[0].value and page.toggle(key="publish-public").value is False
    page.text_input(key="publish-repository").set_value("my-robot")
    page.button(key="publish-confirmed").click().run()
    wait_until(lambda: read_job(find_publishing(folder)) and read_job(find_publishing(folder)).state == DONE)
    page = AppTest.from_function(script).run()
    assert "Open somebody/my\\-robot" in str(page.get("link_button")[0].proto.label)
    assert "robot.safetensors" in hub.held["somebody/my-robot"]


def test_each_lora_comes_with_its_own_samples(folder, hub):
    (folder.path / "robot-000002.safetensors").write_bytes(folder.lora.read_bytes())
    for picture in list(folder.samples.iterdir()):
        picture.with_name(picture.name.replace("e000002", "e000001")).write_bytes(picture.read_bytes())
    page = press("publish")
    assert ["e000002" in place for place in page.multiselect[0].value] == [True, True]
    page.selectbox(key="publish-lora").select_index(2)
    page.button(key="publish:robot").click().run()  # a test's page has no parts that run by themselves: asked for anew
    assert ["e000001" in place for place in page.multiselect[0].value] == [True, True]


def test_without_a_token_it_says_what_to_do(folder, hub, monkeypatch):
    monkeypatch.delenv("HF_TOKEN")
    page = press("publish")
    assert page.button(key="publish-confirmed").disabled
    assert any("store one that can write on the Models page" in part.value.replace("\\", "") for part in page.markdown)


def test_a_zip_of_what_is_ticked(folder):
    page = press("zip")
    assert [box.value for box in page.checkbox] == [True, True, True, True, False]
    assert "Download robot" in page.get("link_button")[0].proto.label
    assert "parts=loras%2Csamples%2Csettings%2Clogs" in page.get("link_button")[0].proto.url
