"""IO manager of class_raster: class map, confidence and probabilities, computed while they are written."""

from __future__ import annotations

from lc_assets.core.checksum import sha256_of_files
from lc_assets.core.progress import RowProgress, notify
from lc_assets.defs.io_managers.base import SceneIOManager, Written
from lc_assets.defs.metadata import class_raster_metadata
from lc_assets.inference.class_map import ClassMap, write_class_map
from lc_assets.inference.slots import inference_slot
from lc_assets.inference.windows.classify import Classification
from lc_assets.store.atomic import atomic_output
from lc_assets.store.layout import SceneLayout


class ClassRasterIOManager(SceneIOManager):
    """Computes and writes a `Classification`. Reads a `ClassMap`."""

    def write(self, scene: SceneLayout, value: Classification) -> Written:
        """Wait for one of the machine's inference slots, then compute, write and verify the rasters."""
        with inference_slot(lambda: notify("waiting for one of this machine's inference slots")):
            with atomic_output(scene.folder, item=scene.item, asset="class_raster") as stage:
                progress = RowProgress(value.stack.grid.width)
                write_class_map(value, stage, progress.update)
                version = sha256_of_files(stage.iterdir())
            if not value.positions:  # an earlier map may have been one of positions
                scene.probabilities.unlink(missing_ok=True)
        return Written(class_raster_metadata(self.read(scene), value, self.store.url), version)

    def read(self, scene: SceneLayout) -> ClassMap:
        """Return the stored class map."""
        return ClassMap.open(scene)
