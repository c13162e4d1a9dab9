"""A real browser for tests that look at pages: headless Chromium, driven by Playwright, and axe-core's script."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from loopback.programs import Missing

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

_PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
_AXE = Path(__file__).parents[2] / ".rig" / "axe-core" / "node_modules" / "axe-core" / "axe.min.js"


@contextmanager
def chromium() -> Iterator[Browser]:
    """The machine's Chromium, headless.

    Raises:
        Missing: there is none, or no Playwright to drive it.
    """
    program = next(filter(None, map(shutil.which, _PROGRAMS)), None)
    if program is None:
        raise Missing(f"needs a browser: none of {', '.join(_PROGRAMS)} is installed (install chromium)")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        raise Missing("needs Playwright (pip install playwright)") from None
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """The machine's Chromium, once for a file of tests; skips, saying what is missing.

    Not for the session: while Playwright runs, no code of this thread can `asyncio.run`. A test takes a context or page
    of its own (`browser.new_page(viewport=...)`) and closes it.
    """
    try:
        with chromium() as started:
            yield started
    except Missing as missing:
        pytest.skip(str(missing))


def assert_title(page: Page, title: str) -> None:
    """The page has this title, or gets it: after a click on a link the next page may not have arrived yet."""
    from playwright.sync_api import expect

    expect(page).to_have_title(title, timeout=30_000)


@pytest.fixture(scope="session")
def axe_script() -> Path:
    """axe-core, to be added to a page (`page.add_script_tag(path=...)`) and run as `axe.run()`; skips without it."""
    if not _AXE.exists():
        pytest.skip("needs axe-core in .rig (lc_assets_tests/rig/install.sh puts it there, with node and npm)")
    return _AXE
