"""What the look before the start found, on the Train page: errors stop it, warnings ask once."""

import streamlit as st

from fluxgym.preflight.checks import preflight
from fluxgym.preflight.report import ERROR, FINE, WARNING, Finding, Report
from fluxgym.ui.text import plain
from trainer.config import Config, dump_config

ICONS = {ERROR: ":red[:material/error:]", WARNING: ":orange[:material/warning:]", FINE: ":green[:material/check_circle:]"}
TABLE = "Bucket table: which image is cropped to what"


def look(config: Config, pressed: bool) -> bool:
    """Looks at everything that a training needs once Start was `pressed`, and shows what it found for as long as the settings
    stay as they are. Whether to begin: at once where nothing is to be said, else when Start anyway was pressed."""
    said = dump_config(config)
    if pressed:
        with st.spinner("Looking at everything it needs ..."):
            st.session_state.preflight = said, preflight(config)
    seen, report = st.session_state.get("preflight", ("", None))
    if report is None or seen != said:
        return False
    if pressed and not report.errors and not report.warnings:
        return True
    return draw_report(report)


def draw_report(report: Report) -> bool:
    """All findings. Whether Start anyway was pressed, which is offered where there are only warnings."""
    with st.container(border=True, key="preflight"):
        st.markdown(f"**{_head(report)}**")
        for finding in [*report.errors, *report.warnings]:
            _draw(finding)
        fine = [finding for finding in report.findings if finding.level == FINE]
        with st.expander(f"What is in order ({len(fine)})"):
            for finding in fine:
                _draw(finding)
        if report.buckets:
            with st.expander(TABLE):
                st.dataframe(make_table(report), hide_index=True)
        if report.errors:
            return False
        told = "The warnings were read; it is started as it is."
        return st.button("Start anyway", icon=":material/play_arrow:", key="start-anyway", help=told, width="stretch")


def make_table(report: Report) -> list[dict[str, str]]:
    """One row an image, the one that loses most first."""
    rows = sorted(report.buckets, key=lambda row: (-row.cropped, row.name))
    return [
        {
            "Image": row.name,
            "Size, px": f"{row.size[0]} x {row.size[1]}",
            "Learned at, px": ", ".join(f"{width} x {height}" for width, height in row.sizes),
            "Cut off": f"{row.cropped:.0%}",
            "Note": "smaller than the resolution" if row.is_small else "",
        }
        for row in rows
    ]


def _head(report: Report) -> str:
    errors, warnings = len(report.errors), len(report.warnings)
    if errors:
        return f"Not started, nothing was written: {errors} {'thing' if errors == 1 else 'things'} to set right."
    return f"{warnings} {'thing' if warnings == 1 else 'things'} to know before it starts." if warnings else "All is in order."


def _draw(finding: Finding) -> None:
    fix = f"  \n:small[{plain(finding.fix)}]" if finding.fix else ""
    st.markdown(f"{ICONS[finding.level]} **{plain(finding.subject)}**: {plain(finding.what)}{fix}")
