"""The front door: `streamlit run dashboard.py`.

One file, two roles. Streamlit runs it as a script for each browser (`__main__`): it asks who that is, names the pages and draws
the one that was asked for. Its server imports it once and serves `app`: the gate, our routes, then Streamlit's own.
"""

import streamlit as st

from fluxgym.ui import routes

if __name__ == "__main__":
    from fluxgym.ui import visitor, watch

    st.html(routes.STYLE)
    with st.container(key="watch"):
        watch.draw_watch()
    if visitor.is_owner():
        st.set_page_config(page_icon=routes.ICON, layout="wide")  # draw_header names the tab
        st.logo(routes.LOGO)
        pages = [
            st.Page(routes.RUNS, title="Runs", icon=":material/view_list:", default=True),
            st.Page(routes.TRAIN, title="Train", icon=":material/add_circle:"),
            st.Page(routes.RUN, title="Run", icon=":material/monitoring:"),
            st.Page(routes.DATASETS, title="Data sets", icon=":material/photo_library:"),
            st.Page(routes.MODELS, title="Models", icon=":material/deployed_code:"),
            st.Page(routes.COMPARE, title="Compare", icon=":material/compare_arrows:"),
            st.Page(routes.SETTINGS, title="Settings", icon=":material/settings:"),
        ]
        st.navigation(pages, position="top").run()
    else:
        st.navigation([st.Page(routes.SHARED, default=True)], position="hidden").run()
else:
    from fluxgym.ui import server

    server.prepare()
    base = st.get_option("server.baseUrlPath") or ""
    app = st.App(__file__, routes=server.routes_below(base), lifespan=server.lifespan, middleware=server.guards(base))
