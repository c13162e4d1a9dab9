"""Reports of the demo scene, made once for the tests of a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lc_assets.core.settings import Settings
from lc_assets.inference.loading import read_contract
from lc_assets.products.pages import layers as pictures
from lc_assets.products.pages.scene_report import Report, ReportFacts, build_report
from lc_assets.products.stac.provenance import software
from lc_assets.store.layout import SceneLayout
from lc_assets_tests.products.pages.report_page import opened, written


@pytest.fixture(scope="module")
def facts() -> ReportFacts:
    model = Path(Settings().model)
    contract, _ = read_contract(model)
    seconds = {"raw_bands": 1.25, "class_raster": 12.5}
    return ReportFacts(seconds, software(), "2026-01-02T03:04:05Z", contract, json.loads(model.read_text()))


@pytest.fixture(scope="module")
def scene(classified_demo: Any) -> SceneLayout:
    desk, _ = classified_demo
    return next(desk.folder(path.name) for path in (desk.store.root / "scenes").iterdir())


@pytest.fixture(scope="module")
def made(scene: SceneLayout, facts: ReportFacts, tmp_path_factory: pytest.TempPathFactory) -> tuple[Report, Path]:
    """The demo scene's report, and its file."""
    report = build_report(*opened(scene), facts)
    return report, written(report, tmp_path_factory.mktemp("report"))


@pytest.fixture(scope="module")
def coarse(scene: SceneLayout, facts: ReportFacts, tmp_path_factory: pytest.TempPathFactory) -> tuple[Report, Path]:
    """The same with coarser pixels, as for a large scene: the demo with a lower limit."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pictures, "MAX_SIDE", 200)
        report = build_report(*opened(scene), facts)
    return report, written(report, tmp_path_factory.mktemp("coarse"))
