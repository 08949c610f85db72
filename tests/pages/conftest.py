"""AppTest runs a page without a server and its gate: here it is the owner who asks, unless a test says otherwise."""

import pytest

from fluxgym.ui import visitor


@pytest.fixture(autouse=True)
def owner(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(visitor, "who_asks", lambda: visitor.OWNER)
