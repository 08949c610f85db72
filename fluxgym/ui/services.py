"""Notification services: add one by its URL, see which there are, try them, remove them.

A URL is a secret: it is taken out of the session as soon as it was sent, and nothing of it is shown again but what
fluxgym.notify calls the service.
"""

import streamlit as st

from fluxgym.notify.send import Outcome, ServiceError
from fluxgym.notify.services import Service, add_service, list_services, remove_service, try_services
from fluxgym.run.tell import URLS
from fluxgym.ui.text import plain, red

FIELD = "service-url"
HOW = "https://github.com/caronc/apprise/wiki"


def draw_add() -> None:
    """The field for a URL."""
    with st.container(border=True):
        st.markdown("**Notifications**")
        st.markdown(
            "You are told when a training ends, is stuck, goes on or resumes by itself, with its last lines and its newest "
            "sample; also with this page closed. What a service does, or does not do, never harms a training."
        )
        with st.form("add-service", border=False, enter_to_submit=True):
            st.text_input(
                "URL of a service",
                type="password",
                key=FIELD,
                placeholder="ntfy://my-topic",
                autocomplete="off",
                help="Of Apprise, one a service: ntfy://topic, discord://id/token, tgram://token/chat, mailto://user:password@host",
            )
            with st.container(horizontal=True, vertical_alignment="center"):
                st.form_submit_button("Add", type="primary", icon=":material/add:", on_click=_add)
                st.caption(f"It is kept in a file of yours and never shown again. [All services and their URLs]({HOW})")
        if problem := st.session_state.pop("service-problem", None):
            st.markdown(red(f"{problem[:1].upper()}{problem[1:]}"))
        if added := st.session_state.pop("service-added", None):
            st.markdown(f":green[:material/check_circle:] {plain(added)} is set up. Test it to see whether it arrives.")


def draw_list() -> None:
    """The services that are set up."""
    try:
        services = list_services()
    except ServiceError as error:
        st.error(plain(str(error)), icon=":material/error:")
        return
    outcomes: dict[int, Outcome] = st.session_state.setdefault("service-outcomes", {})
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            st.markdown("**Services**", width="content")
            if len(services) > 1 and st.button("Test all", icon=":material/send:"):
                _test(services, None)
        if not services:
            st.caption("None is set up yet.")
        for service in services:
            _draw_service(service, services, outcomes.get(service.number))


def answer() -> None:
    """The dialog that a button asked for, and what could not be done. Once a page."""
    if refusal := st.session_state.pop("refusal", None):
        st.error(plain(refusal), icon=":material/error:")
    if service := st.session_state.pop("service-leaves", None):
        _ask_to_remove(service)


def _draw_service(service: Service, services: list[Service], outcome: Outcome | None) -> None:
    with st.container(horizontal=True, vertical_alignment="center", key=f"service:{service.number}"):
        st.markdown(plain(_tell_apart(service)), width="content")
        with st.container(horizontal=True, horizontal_alignment="right", vertical_alignment="center"):
            if outcome and outcome.name == service.name:
                st.markdown(_tell(outcome), width="content")
            if st.button("Test", icon=":material/send:", key=f"test:{service.number}"):
                _test(services, service)
            if not service.can_remove:
                st.caption(f"from {URLS}", width="content")
            elif st.button("Remove", icon=":material/delete:", key=f"remove:{service.number}"):
                st.session_state["service-leaves"] = service
                st.rerun()


def _tell_apart(service: Service) -> str:
    """Two on one host have the same name; the number is that of `fluxgym notify`, too."""
    return f"{service.number}. {service.name}"


def _tell(outcome: Outcome) -> str:
    if outcome.is_sent:
        return ":small[:green[:material/check_circle: The test message was sent]]"
    return red(f"Not sent: {outcome.words}")


def _add() -> None:
    """The URL leaves the session with this call, whatever becomes of it."""
    url = st.session_state.get(FIELD) or ""
    st.session_state[FIELD] = ""
    if not url.strip():
        st.session_state["service-problem"] = "the field is empty; expected the URL of a service, such as ntfy://my-topic"
        return
    try:
        st.session_state["service-added"] = _tell_apart(add_service(url))
    except (ServiceError, OSError) as error:
        st.session_state["service-problem"] = str(error)
    st.session_state.pop("service-outcomes", None)


def _test(services: list[Service], one: Service | None) -> None:
    """Sends to one or all, and keeps what became of it until the services change."""
    try:
        with st.spinner("Sending a test message ..."):
            outcomes = try_services(one.number if one else None)
    except (ServiceError, OSError) as error:
        st.session_state.refusal = str(error)
    else:
        tested = [one] if one else services
        st.session_state["service-outcomes"] |= {
            service.number: outcome for service, outcome in zip(tested, outcomes, strict=False)
        }
    st.rerun()


@st.dialog("Remove this service?", icon=":material/delete:")
def _ask_to_remove(service: Service) -> None:
    st.markdown(
        f"**{plain(_tell_apart(service))}** is not told any more. Its URL is deleted; to add it again you need it again."
    )
    with st.container(horizontal=True, horizontal_alignment="right"):
        if st.button("Keep it"):
            st.rerun()
        if st.button("Remove", type="primary", key="remove-confirmed", on_click=_remove, args=(service,)):
            st.rerun()


def _remove(service: Service) -> None:
    try:
        if service not in list_services():  # another page was faster: the number is another service's now
            raise ServiceError("the services have changed meanwhile, look at them again")
        remove_service(service.number)
    except (ServiceError, OSError) as error:
        st.session_state.refusal = str(error)
    st.session_state.pop("service-outcomes", None)
