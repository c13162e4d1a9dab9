"""The page of all scenes in a real browser."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from click.testing import Result

View = Callable[..., Result]


@contextmanager
def page_of(browser: Any, path: Path, width: int = 1600, scheme: str = "light") -> Iterator[Any]:
    """A page on a file, which must ask for no other address than files and fail at nothing."""
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page = context.new_page()
    faults: list[str] = []
    page.on("request", lambda request: faults.append(request.url) if request.url.startswith("http") else None)
    page.on("requestfailed", lambda request: faults.append(request.url))
    page.on("console", lambda message: faults.append(message.text))
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.goto(path.as_uri())
    yield page
    context.close()
    assert not faults


def shown(page: Any) -> list[str]:
    """Titles of the cards, in their order; of those far below, too, which the browser has not laid out."""
    return page.locator(".card h3").all_text_contents()


def widths(page: Any) -> list[int]:
    """Natural widths of the pictures; one at least."""
    found = page.evaluate("Promise.all([...document.images].map((i) => i.decode().then(() => i.naturalWidth)))")
    assert found
    return found
