"""`lc-assets prune` on a desk's own instance."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext

import pytest

from lc_assets.cli import prune
from lc_assets.operations.cleanup import RetentionPolicy
from lc_assets_tests.conftest import Desk


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """`lc-assets prune` on a desk's own instance: what it says."""

    def run(desk: Desk, keep: RetentionPolicy | None = None, days: int | None = None, *, yes: bool) -> str:
        monkeypatch.setattr(prune, "open_instance", lambda settings: nullcontext(desk.instance))
        capsys.readouterr()
        prune.run_prune(desk.settings, keep, days, yes=yes, lease_seconds=1)
        return capsys.readouterr().out

    return run


@pytest.fixture
def done(classified: Desk) -> Desk:
    """A desk with a scene that is finished."""
    return classified
