"""Dagster's UI as a person uses it: `lc-assets ui` in folders of its own, and a browser's page that clicks through it.

What is looked for are words, roles and addresses of the pinned Dagster's pages, never their generated class names.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

import requests
from playwright.sync_api import Browser, Locator, Page, Route, expect

from loopback.programs import free_port

_START_SECONDS = 180.0
_STOP_SECONDS = 30.0
_RUN_SECONDS = 180.0
_PAGE_SECONDS = 60.0
"""(All of them for a machine that is busy with other things.)"""


def environment_of(folder: Path) -> dict[str, str]:
    """The environment of an instance and a store in a folder."""
    return {**os.environ, "DAGSTER_HOME": str(folder / "home"), "LC_ASSETS_STORE": str(folder / "store")}


def command(folder: Path, *arguments: object) -> None:
    """Run `lc-assets` there.

    Raises:
        RuntimeError: it failed; with what it said.
    """
    line = [sys.executable, "-m", "lc_assets.cli.main", *map(str, arguments)]
    done = subprocess.run(line, cwd=folder, env=environment_of(folder), capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"lc-assets {arguments[0]}: {done.stdout}{done.stderr}")


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address of a running `lc-assets ui` there; on leaving it is interrupted, as by Ctrl-C, with all its children.

    Raises:
        RuntimeError: it does not come up, or something of it is left.
    """
    port = free_port(2)  # the next one is for the store's files
    url = f"http://127.0.0.1:{port}"
    line = [sys.executable, "-m", "lc_assets.cli.main", "ui", "--port", str(port)]
    log = folder / "ui.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            line, cwd=folder, env=environment_of(folder), stdout=output, stderr=output, start_new_session=True
        )
    try:
        _wait(process, url, log)
        yield url
    finally:
        process.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            process.wait(_STOP_SECONDS)
        left = _left(process.pid)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    if left:
        raise RuntimeError(f"lc-assets ui left processes behind: {left}; {log.read_text(errors='replace')[-2000:]}")


def _wait(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        with suppress(requests.RequestException):
            if requests.get(f"{url}/server_info", timeout=5).ok:
                return
        time.sleep(0.25)
    raise RuntimeError(f"lc-assets ui does not answer at {url}: {log.read_text(errors='replace')[-2000:]}")


def _left(group: int) -> list[str]:
    """What still runs in a process group after a moment's grace; as far as the system has a /proc that tells."""
    for _ in range(50):
        left = []
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):  # it has ended meanwhile
                state, _parent, its_group = (process / "stat").read_text().rsplit(")", 1)[1].split()[:3]
                if int(its_group) == group and state != "Z":
                    left.append((process / "cmdline").read_text().replace("\0", " "))
        if not left:
            break
        time.sleep(0.1)
    return left


class DagsterUi:
    """A page of the browser on Dagster's UI."""

    def __init__(self, browser: Browser, url: str, pictures: Path, size: tuple[int, int] = (1600, 1000)) -> None:
        """Open a page of its own.

        Args:
            browser: to open it in.
            url: of the UI.
            pictures: folder for screenshots.
            size: of the window, in pixels.
        """
        self.url, self._pictures = url, pictures
        host, port = url.rsplit(":", 1)
        self.files = f"{host}:{int(port) + 1}"
        """Address of the store's files."""
        self.outside: list[str] = []
        """Addresses beyond this machine that the page asked for."""
        self._context = browser.new_context(
            viewport={"width": size[0], "height": size[1]}, locale="en-GB", timezone_id="UTC", color_scheme="light"
        )
        self.page: Page = self._context.new_page()
        self.page.set_default_timeout(1000 * _PAGE_SECONDS)
        expect.set_options(timeout=1000 * _PAGE_SECONDS)
        here = (f"{url}/", f"{self.files}/")
        self.page.route(lambda address: address.startswith("http") and not address.startswith(here), self._refuse)

    def close(self) -> None:
        """Close the page."""
        self._context.close()

    def _refuse(self, route: Route) -> None:
        self.outside.append(route.request.url)
        route.abort()

    def shoot(self, name: str) -> Path:
        """Keep a screenshot under a name, when nothing moves any more."""
        self.page.wait_for_load_state("networkidle")
        self.page.wait_for_timeout(800)  # Dagster's graph glides into place
        path = self._pictures / f"{name}.png"
        self.page.screenshot(path=path, animations="disabled")
        return path

    def graph(self, groups: Iterable[str] = ()) -> None:
        """Open the global asset graph, with these groups unfolded."""
        expanded = ",".join(f"global@global:{group}" for group in groups)
        self.page.goto(f"{self.url}/asset-groups" + (f"?expanded={quote(expanded, safe='')}" if expanded else ""))
        expect(self.page.get_by_text("Global asset lineage")).to_be_visible()

    def make_room(self) -> None:
        """Put the navigation away, for good."""
        self.page.get_by_text("Hide navigation", exact=True).click()

    def node(self, name: str) -> Locator:
        """An asset or a group in the graph that is shown."""
        return self.page.locator("svg foreignObject").get_by_text(name, exact=True).locator("visible=true").first

    def select(self, query: str) -> None:
        """Filter the graph by a selection, as one types it: `+key:"catalog"` is the catalog and all before it."""
        self.page.locator(".CodeMirror").locator("visible=true").last.click()
        self.page.keyboard.type(query)
        self.page.keyboard.press("Enter")
        self.page.wait_for_url(re.compile(re.escape(quote(query, safe=""))))

    def asset(self, name: str) -> None:
        """Open an asset's own page."""
        self.page.goto(f"{self.url}/assets/{name}")
        expect(self.page.get_by_text("Upstream assets", exact=True)).to_be_visible()

    def launch(self, partition: str, picture: str | None = None) -> str:
        """Materialise what the page shows, for one partition that is chosen in the dialog; the dialog's title."""
        self.page.get_by_role("button", name=re.compile("Materialize")).first.click()
        dialog = self.page.get_by_role("dialog").first
        title = dialog.get_by_text(re.compile("^Launch runs? to materialize"))
        expect(title).to_be_visible()
        dialog.get_by_text("Select a partition").click()
        self.page.get_by_placeholder("Filter partitions").fill(partition)
        self.page.get_by_text(partition, exact=True).locator("visible=true").last.click()
        self.page.keyboard.press("Escape")  # the list, not the dialog
        button = dialog.get_by_role("button", name="Launch 1 run")
        expect(button).to_be_enabled()
        if picture:
            self.shoot(picture)
        words = title.inner_text()
        button.click()
        return words

    def follow(self, picture: str | None = None) -> None:
        """Follow the run that was just launched, to its success.

        Raises:
            AssertionError: it failed, or takes too long.
        """
        self.page.get_by_role("button", name="View", exact=True).or_(
            self.page.get_by_role("link", name="View", exact=True)
        ).first.click()
        self.page.wait_for_url(re.compile("/runs/[0-9a-f-]{36}"))
        ended = self.page.get_by_text(re.compile("^(Success|Failure|Canceled)$")).locator("visible=true").first
        ended.wait_for(timeout=1000 * _RUN_SECONDS)
        if picture:
            self.shoot(picture)
        assert ended.inner_text() == "Success", self.page.locator("body").inner_text()[-3000:]

    def materialisation(self, asset: str, partition: str) -> None:
        """Open the newest materialisation of a partition of an asset."""
        self.page.goto(f"{self.url}/assets/{asset}?view=partitions&partition={quote(partition, safe='')}")
        expect(self.page.get_by_text("Latest materialization", exact=True)).to_be_visible()
        self.page.get_by_text("Metadata", exact=True).locator("visible=true").first.wait_for()

    def inline_pictures(self) -> dict[str, tuple[int, int]]:
        """Label of a metadata row -> natural width of its picture, and the width that it is shown at, in pixels.

        Raises:
            playwright.sync_api.TimeoutError: there is none.
        """
        self.page.locator("tr img").first.wait_for()
        rows = self.page.locator("tr").filter(has=self.page.locator("img"))
        return {
            rows.nth(number).locator("td").first.inner_text(): tuple(  # type: ignore[misc]
                rows.nth(number)
                .locator("img")
                .first.evaluate(
                    "image => image.decode().then(() => [image.naturalWidth, image.getBoundingClientRect().width])"
                )
            )
            for number in range(rows.count())
        }

    def row(self, label: str) -> Locator:
        """The metadata row of a label."""
        return self.page.locator("tr").filter(has=self.page.locator("td").get_by_text(label, exact=True)).first
