"""`lc-assets prune` on a desk's own instance."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from functools import partial

import pytest

from lc_assets.cli.prune import run_prune
from lc_assets.cli.session import Session
from lc_assets.operations import cleanup
from lc_assets.operations.cleanup import RetentionPolicy, remove
from lc_assets_tests.conftest import Desk


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """`lc-assets prune` on a desk's own instance: what it says."""

    def run(desk: Desk, keep: RetentionPolicy | None = None, days: int | None = None, *, yes: bool) -> str:
        session = Session(desk.settings)
        monkeypatch.setattr(session, "open_instance", lambda: nullcontext(desk.instance))
        monkeypatch.setattr(cleanup, "remove", partial(remove, lease_seconds=1))
        capsys.readouterr()
        run_prune(session, keep, days, yes=yes)
        return capsys.readouterr().out

    return run


@pytest.fixture
def done(classified: Desk) -> Desk:
    """A desk with a scene that is finished."""
    return classified
