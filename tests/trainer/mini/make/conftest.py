"""What the tests of the making share: the font, or a skip that says so."""

import pytest

from trainer.mini.make import subjects


@pytest.fixture
def font():
    """Skips where the emoji font is not installed."""
    if not subjects.FONT.is_file():
        pytest.skip(f"needs {subjects.FONT} (Debian: fonts-noto-color-emoji)")
