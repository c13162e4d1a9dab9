"""IO manager of report: the scene's page, beside its products."""

from __future__ import annotations

import hashlib

from lc_assets.core.errors import StoreError
from lc_assets.defs.io_managers.base import SceneIOManager, Written
from lc_assets.defs.metadata import page_metadata
from lc_assets.products.pages.scene_report import Page, ReportPlan
from lc_assets.store.atomic import put
from lc_assets.store.layout import SceneLayout


class ReportIOManager(SceneIOManager):
    """Builds and writes the page of a `ReportPlan`. Reads a `Page`."""

    def write(self, scene: SceneLayout, value: ReportPlan) -> Written:
        """Build the page and write it as a whole."""
        page = value.page()
        put(scene.report, page.html, item=scene.item, asset="report")
        return Written(
            page_metadata(scene, page, self.store.url, self.store.all_scenes), hashlib.sha256(page.html).hexdigest()
        )

    def read(self, scene: SceneLayout) -> Page:
        """Return the stored page."""
        if not scene.report.exists():
            raise StoreError(
                "its report is not in the store", item=scene.item, asset="report", remedy="materialise report of it"
            )
        return Page(scene.report)
