"""How the suite is shared out, what it leaves out, and what it says at its end.

- Tests that talk to the Planetary Computer on loopback share it: they run on one worker. So do the tests of a file that
  share a fixture of the file: on two workers, it would be made twice.
- Slow tests come first, so that no worker is left with one while the others have nothing to do.
- The rig's own tests (`rig`) run where the rig has changed since they passed.
- A test that takes more than ten seconds wants the mark `slow`: the summary names those that lack it.
- `--may-skip=FILE`: a skip whose reason no line of the file names (a regular expression) fails the run.
"""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path

import pytest

from lc_assets_tests.rig.verified import is_due

SLOW_SECONDS = 10.0


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--may-skip", type=Path, help="fail on skips for other reasons than this file names")


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(_Summary(config.getoption("--may-skip")), "summary of the suite")


def _leaves_rig_out(config: pytest.Config) -> bool:
    return "rig" not in config.getoption("-m") and not is_due("rig")


def pytest_report_header(config: pytest.Config) -> list[str]:
    if _leaves_rig_out(config):
        return ["the rig has not changed since it passed its own tests: they are left out (make test-rig runs them)"]
    return []


def _group_of(item: pytest.Function) -> str | None:
    """What a test shares with others, so that they run on one worker."""
    if "planetary_computer" in item.fixturenames:
        return "planetary computer"
    if item.get_closest_marker("xdist_group"):
        return None
    shared = [defined[-1].scope == "module" for defined in item._fixtureinfo.name2fixturedefs.values()]
    return item.module.__name__ if any(shared) else None


@pytest.hookimpl(tryfirst=True)  # before xdist, which reads the groups
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        if isinstance(item, pytest.Function) and (group := _group_of(item)):
            item.add_marker(pytest.mark.xdist_group(group))
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)
    if _leaves_rig_out(config):
        left_out = [item for item in items if item.get_closest_marker("rig")]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


class _Summary:
    """Hears of every test's end, on whichever worker."""

    def __init__(self, may_skip: Path | None) -> None:
        lines = may_skip.read_text(encoding="utf-8").splitlines() if may_skip else []
        self._allowed = [line for line in lines if line and not line.startswith("#")]
        self._holds_to_it = may_skip is not None
        self._seconds: dict[str, float] = defaultdict(float)
        self._odd_skips: dict[str, list[str]] = defaultdict(list)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if "slow" not in report.keywords:
            self._seconds[report.nodeid] += report.duration
        if report.skipped and self._holds_to_it and isinstance(report.longrepr, tuple):
            reason = report.longrepr[2].removeprefix("Skipped: ")
            if not any(re.search(allowed, reason) for allowed in self._allowed):
                self._odd_skips[reason].append(report.nodeid)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self._odd_skips and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        slow = {name: seconds for name, seconds in self._seconds.items() if seconds > SLOW_SECONDS}
        for name, seconds in sorted(slow.items(), key=lambda entry: -entry[1]):
            terminalreporter.write_line(f"TAKES {seconds:.0f} s without the mark slow: {name}", yellow=True)
        for reason, names in self._odd_skips.items():
            line = f"MAY NOT SKIP here: {len(names)} for the reason '{reason}', {names[0]} for one"
            terminalreporter.write_line(line, red=True)
