"""What Streamlit hears from a visitor's page and what that page hears from Streamlit: an allow-list for each.

The messages are protobufs that are not public in Streamlit: its version is pinned, and tests/access speaks them to a server.
"""

from google.protobuf.message import DecodeError
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.util import calc_hash

SHARED = calc_hash("shared")  # as st.navigation calls pages/shared.py
MOST_STATES = 20  # widgets of a page that has none but its timer and what its components keep
# "delta" is what the page draws; the others say where a run of the script stands
TOLD = {
    *("new_session", "delta", "page_config_changed", "script_finished", "session_status_changed", "navigation"),
    *("page_not_found", "ref_hash", "heartbeat_ack", "auto_rerun", "stop_auto_rerun", "logo"),
}
BROKE = "This part of the page cannot be shown."


def let_in(data: bytes) -> bytes | None:
    """A wish to have the page, or a part of it, drawn anew; a sign of life. Never which page, or what is in its address."""
    try:
        said = BackMsg.FromString(data)
    except DecodeError:
        return None
    heard = BackMsg()
    match said.WhichOneof("type"):
        case "app_heartbeat":
            heard.app_heartbeat = True
        case "rerun_script":
            asked, wish = said.rerun_script, heard.rerun_script
            wish.fragment_id = asked.fragment_id
            # of no page, a browser takes away what the page drew before it draws the part
            wish.page_script_hash = SHARED if asked.fragment_id else ""
            wish.is_auto_rerun = asked.is_auto_rerun
            wish.cached_message_hashes.extend(asked.cached_message_hashes)
            wish.context_info.timezone = asked.context_info.timezone
            wish.context_info.timezone_offset = asked.context_info.timezone_offset
            wish.context_info.locale = asked.context_info.locale
            wish.context_info.color_scheme = asked.context_info.color_scheme
            wish.widget_states.widgets.extend(asked.widget_states.widgets[:MOST_STATES])
        case _:
            return None
    return heard.SerializeToString()


def let_out(data: bytes) -> bytes | None:
    """What draws the page, without what it says of the server: its command line, paths, versions, other sessions."""
    try:
        told = ForwardMsg.FromString(data)
    except DecodeError:
        return None
    kind = told.WhichOneof("type")
    if kind not in TOLD:
        return None
    if kind == "new_session":
        _clean(told)
        return told.SerializeToString()
    if kind == "delta" and told.delta.new_element.WhichOneof("type") == "exception":
        told.delta.new_element.exception.Clear()
        told.delta.new_element.exception.message = BROKE
        return told.SerializeToString()
    return data


def _clean(told: ForwardMsg) -> None:
    """Takes out of the first message of each run what a page can do without; a browser wants the parts, also empty."""
    session = told.new_session
    session.main_script_path = ""
    del session.app_pages[:]
    version = session.initialize.environment_info.streamlit_version
    for part in (session.initialize.user_info, session.initialize.environment_info):
        part.Clear()
        part.SetInParent()
    session.initialize.environment_info.streamlit_version = version
