"""The pages in Streamlit's AppTest: open one, read all that it says, press what can be pressed."""

from pathlib import Path

from streamlit.testing.v1 import AppTest

DASHBOARD = Path(__file__).parent.parent.parent / "dashboard.py"


def open_page(page: str, **query: str) -> AppTest:
    """A page of the dashboard as somebody finds it who comes with this address."""
    opened = AppTest.from_file(DASHBOARD, default_timeout=60)
    for key, value in query.items():
        opened.query_params[key] = value
    opened.switch_page(f"pages/{page}.py").run()
    assert not opened.exception, opened.exception
    return opened


def told(page: AppTest) -> str:
    """All that the page says, in one text, without the signs that keep markdown from being read."""
    parts = [*page.title, *page.subheader, *page.markdown, *page.caption, *page.error]
    return "\n".join(str(part.value) for part in parts).replace("\\", "")


def press(page: AppTest, label: str) -> AppTest:
    """Presses the first button of this label."""
    next(button for button in page.button if button.label == label).click().run()
    assert not page.exception, page.exception
    return page


def primary(page: AppTest) -> list[str]:
    """The labels of the primary buttons: one a screen at most."""
    return [button.label for button in page.button if button.proto.type == "primary"]
