"""What passes between a visitor's page and Streamlit, by kind; tests/access sends the same to a real server."""

import pytest
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from fluxgym.ui.visitor_messages import BROKE, MOST_STATES, SHARED, let_in, let_out


def heard(said: BackMsg) -> BackMsg | None:
    data = let_in(said.SerializeToString())
    return None if data is None else BackMsg.FromString(data)


def told(said: ForwardMsg) -> ForwardMsg | None:
    data = let_out(said.SerializeToString())
    return None if data is None else ForwardMsg.FromString(data)


def test_a_rerun_is_of_the_page_that_is_there_and_knows_no_address():
    said = BackMsg()
    wish = said.rerun_script
    wish.page_name, wish.page_script_hash, wish.query_string = "run", "hash", "run=other"
    wish.context_info.url, wish.context_info.timezone = "http://host/s/token/", "Europe/Berlin"
    wish.fragment_id, wish.is_history_navigation = "part", True
    for number in range(100):
        wish.widget_states.widgets.add(id=str(number), trigger_value=True)
    passed = heard(said)
    assert passed is not None
    again = passed.rerun_script
    assert again.fragment_id == "part" and again.context_info.timezone == "Europe/Berlin"
    assert not (again.page_name or again.query_string or again.context_info.url)
    assert again.page_script_hash == SHARED, "whatever was asked for"
    assert not again.is_history_navigation and len(again.widget_states.widgets) == MOST_STATES
    assert b"token" not in passed.SerializeToString()


def test_of_the_whole_page_no_name_is_needed():
    said = BackMsg()
    said.rerun_script.page_script_hash = "hash"
    passed = heard(said)
    assert passed is not None and passed.rerun_script.page_script_hash == ""


def test_a_sign_of_life_passes():
    said = BackMsg()
    said.app_heartbeat = True
    passed = heard(said)
    assert passed is not None and passed.app_heartbeat


def kinds() -> list[str]:
    return [field.name for field in BackMsg.DESCRIPTOR.oneofs_by_name["type"].fields]


@pytest.mark.parametrize("kind", sorted(set(kinds()) - {"rerun_script", "app_heartbeat"}))
def test_every_other_message_that_streamlit_knows_is_dropped(kind):
    said = BackMsg()
    part = getattr(said, kind)
    part.SetInParent() if hasattr(part, "SetInParent") else setattr(said, kind, type(part)(1))
    assert heard(said) is None


@pytest.mark.parametrize("data", [b"", b"\xff\xff\xff", b"junk" * 100])
def test_junk_is_dropped(data):
    assert let_in(data) is None and let_out(data) is None


def test_the_first_message_of_a_run_says_nothing_of_the_server():
    said = ForwardMsg()
    session = said.new_session
    session.main_script_path, session.name = "/home/maria/dashboard.py", "dashboard.py"
    session.app_pages.add(page_name="run", url_pathname="run")
    session.initialize.user_info.installation_id = "machine"
    session.initialize.environment_info.python_version = "3.11.9"
    session.initialize.environment_info.streamlit_version = "1.67.0"
    passed = told(said)
    assert passed is not None
    text = passed.SerializeToString()
    assert not any(secret in text for secret in (b"maria", b"machine", b"3.11.9", b"run\x12"))
    again = passed.new_session
    assert again.initialize.environment_info.streamlit_version == "1.67.0"
    assert again.initialize.HasField("user_info"), "a browser wants the part"


def test_an_exception_is_told_without_its_words():
    said = ForwardMsg()
    said.metadata.delta_path.extend([0, 1])
    broken = said.delta.new_element.exception
    broken.message, broken.type = "/home/maria/secret", "OSError"
    broken.stack_trace.append("File /home/maria")
    passed = told(said)
    assert passed is not None and b"maria" not in passed.SerializeToString()
    assert passed.delta.new_element.exception.message == BROKE and list(passed.metadata.delta_path) == [0, 1]


@pytest.mark.parametrize(
    "kind", ["git_info_changed", "session_event", "page_info_changed", "file_urls_response", "auth_redirect", "page_profile"]
)
def test_what_a_page_can_do_without_is_not_told(kind):
    said = ForwardMsg()
    getattr(said, kind).SetInParent()
    assert told(said) is None


def test_what_draws_the_page_passes_as_it_is():
    said = ForwardMsg()
    said.delta.new_element.markdown.body = "Learning steadily."
    assert told(said) == said
