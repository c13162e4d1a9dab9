"""IO manager of overview: a class map of lower resolution by mode, and a picture of it with a legend."""

from __future__ import annotations

from lc_assets.core.checksum import sha256_of_files
from lc_assets.defs.io_managers.base import SceneIOManager, Written
from lc_assets.defs.metadata import overview_metadata
from lc_assets.products.overview import Overview, OverviewPlan
from lc_assets.store.atomic import atomic_output
from lc_assets.store.layout import SceneLayout


class OverviewIOManager(SceneIOManager):
    """Writes an `OverviewPlan`. Reads an `Overview`."""

    def write(self, scene: SceneLayout, value: OverviewPlan) -> Written:
        """Write the overview block by block, its legend, and the picture."""
        with atomic_output(scene.folder, item=scene.item, asset="overview") as stage:
            value.write(stage / scene.overview.name, stage / scene.thumbnail.name)
            version = sha256_of_files(stage.iterdir())
        return Written(overview_metadata(self.read(scene), value, self.store.url), version)

    def read(self, scene: SceneLayout) -> Overview:
        """Return the stored overview."""
        return Overview.open(scene.overview, scene.thumbnail, scene.item)
