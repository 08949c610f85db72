"""Samples as they change: a row for each prompt, a column for each epoch, the base model first."""

from html import escape

import streamlit as st

from fluxgym.ui import routes
from fluxgym.ui.cards import Look
from fluxgym.view import samples
from fluxgym.view.charts import thinned
from fluxgym.view.samples import Column, Grid, Row
from trainer.folder import RunFolder

# A table that scrolls sideways, and shows that: Streamlit hides scroll bars until the pointer is over them. Every cell has
# its size before its picture is there.
STYLE = """<style>
.fluxgym-samples{overflow-x:auto;scrollbar-color:rgba(128,128,128,0.6) transparent}
.fluxgym-samples table{border-collapse:separate;border-spacing:0 0.5rem;margin-top:-0.5rem}
.fluxgym-samples th,.fluxgym-samples td{padding:0 0.5rem 0 0;border:0;text-align:left;font-weight:400}
.fluxgym-samples th[scope=row]{min-width:6.5rem;width:14rem;overflow-wrap:anywhere}
.fluxgym-samples th[scope=col],.fluxgym-samples small{opacity:0.65;font-size:0.85rem}
.fluxgym-samples small{display:block}
@media (max-width:640px){ /* a phone shows no scroll bar: a faded edge says that there is more */
.fluxgym-samples{mask-image:linear-gradient(to right,#000 calc(100% - 2.5rem),transparent)}
.fluxgym-samples table{padding-right:2.5rem}
.fluxgym-samples th[scope=row]{width:6.5rem}
}
.fluxgym-samples .cell{width:clamp(5.5rem,11vw,10.4rem);aspect-ratio:1;border-radius:0.5rem;background:rgba(128,128,128,0.12)}
.fluxgym-samples img{width:100%;height:100%;object-fit:contain;border-radius:0.5rem;display:block}
</style>"""


def draw_recent(look: Look, most: int) -> None:
    """About `most` columns from the base model to the latest, as it learned; nothing for a run that draws no samples."""
    grid = samples.grid(look.folder)
    if grid.rows:
        with st.container(border=True):
            st.markdown("**Samples**")
            _draw(look.folder, grid, thinned(grid.columns, most))


def draw_all(look: Look) -> None:
    """Every sample there is: the base model, then the newest first, so that they are in view without scrolling."""
    grid = samples.grid(look.folder)
    base, learned = ([column for column in grid.columns if (column.number > 0) == later] for later in (False, True))
    with st.container(border=True):
        if grid.rows:
            _draw(look.folder, grid, base + learned[::-1])
        else:
            st.caption("This run draws no samples: its settings have no prompts.")


def _draw(folder: RunFolder, grid: Grid, columns: list[Column]) -> None:
    head = "".join(f'<th scope="col">{escape(column.label)}</th>' for column in columns)
    rows = "".join(f"<tr>{_row(folder, row, columns)}</tr>" for row in grid.rows)
    st.html(f'{STYLE}<div class="fluxgym-samples"><table><tr><th scope="row"></th>{head}</tr>{rows}</table></div>')
    if not columns:
        st.caption("No samples yet: the first are drawn before the first step.")


def _row(folder: RunFolder, row: Row, columns: list[Column]) -> str:
    seed = "" if row.seed is None else f"<small>seed {row.seed}</small>"
    cells = (f'<td><div class="cell">{_picture(folder, row, column)}</div></td>' for column in columns)
    return f'<th scope="row">{escape(row.prompt)}{seed}</th>{"".join(cells)}'


def _picture(folder: RunFolder, row: Row, column: Column) -> str:
    """A thumbnail that opens the whole picture; nothing where there is none, or where it is not whole yet."""
    picture = row.pictures.get(column)
    small = samples.thumbnail(folder, picture) if picture else None
    if not picture or not small:
        return ""
    source, whole = (
        escape(routes.file_url(folder.name, kind, file), quote=True)
        for kind, file in (("thumbnails", small.name), ("samples", picture.name))
    )
    said = escape(f"{row.prompt}, {column.label}", quote=True)
    return f'<a href="{whole}" target="_blank"><img loading="lazy" src="{source}" alt="{said}" title="{said}"></a>'
