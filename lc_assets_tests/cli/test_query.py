"""The search of `lc-assets search` and `lc-assets backfill`."""

from __future__ import annotations

from pathlib import Path

import pytest

from lc_assets.cli.query import find_items
from lc_assets.cli.session import Session
from lc_assets.core.settings import Settings
from lc_assets.remote import stac_api
from lc_assets_tests.remote.stac_server import EVERYWHERE, ROOT, Archive, hourly, play
from loopback.planetary_computer import PlanetaryComputer


def test_a_search_that_may_be_incomplete_prints_a_warning(
    pc: PlanetaryComputer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(stac_api, "PAGE", 30)
    play(pc, Archive(hourly(40, 1000), links=None))
    assert len(find_items(Session(Settings(store=tmp_path, stac_url=ROOT, collection="c")), EVERYWHERE)) == 30
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith(f"warning: {ROOT}/search gave 30 items and no link to more, so the search for bbox ")
