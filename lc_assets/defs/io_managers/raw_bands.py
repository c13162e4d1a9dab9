"""IO manager of raw_bands: the source files byte for byte (of a store of an area, a part of each), the item, a
manifest."""

from collections.abc import Callable
from contextlib import nullcontext

from dagster import ResourceDependency

from lc_assets.core.checksum import sha256_of, sha256_of_values
from lc_assets.core.errors import LandCoverError
from lc_assets.core.progress import notify
from lc_assets.core.urls import is_remote
from lc_assets.defs.io_managers.base import SceneIOManager, Written
from lc_assets.defs.metadata import raw_bands_metadata
from lc_assets.defs.resources import ItemsResource
from lc_assets.sentinel2.bands.fetch_ahead import fetch_in_turn
from lc_assets.sentinel2.bands.raw_bands import RawBands, fetch_scene
from lc_assets.sentinel2.item.scene import Scene
from lc_assets.store.atomic import atomic_output
from lc_assets.store.exclusive import exclusive
from lc_assets.store.layout import ITEM_FILE, MANIFEST_FILE, SceneLayout
from lc_assets.store.object_path import ObjectPath


class RawBandsIOManager(SceneIOManager):
    """Downloads the files of a scene into its folder. Reads `RawBands`."""

    items: ResourceDependency[ItemsResource]

    @property
    def fetches(self) -> bool:
        """True: the files usually come over the network."""
        return True

    def write(self, scene: SceneLayout, value: Scene) -> Written:
        """Download and check the files, or the part of each that covers the store's area. Files that are in the store
        already and still match are kept. If several scenes are classified in one process, the download may have started
        while the scene before was computed.

        Raises:
            BadItem: the scene does not touch the area.
            LandCoverError: a file cannot be downloaded, is damaged, or cannot be written.
        """
        return fetch_in_turn(value, self._fetch)

    def _fetch(self, value: Scene, arrived: Callable[[], None]) -> Written:
        scene = self.store.store().scene(value.id)
        area = self.store.kept_area()
        present: RawBands | None = None
        # Local files are linked at once. A download or an upload takes long: only one process at a time does it.
        remote = scene.lease is not None or any(is_remote(href) for href in value.hrefs.values())
        with (
            exclusive(scene.incoming, scene.item, "raw_bands", scene.lease)
            if remote
            else nullcontext(lambda: None) as check
        ):
            try:
                present = self.read(scene)
            except LandCoverError as error:  # missing or damaged: then all files are downloaded
                if error.transient:
                    raise
                if error.asset in value.hrefs:
                    notify(f"the files in the store are not used, because {error.problem}")
            with atomic_output(
                scene.raw_bands, item=scene.item, asset="raw_bands", last=MANIFEST_FILE, check=check
            ) as stage:
                fetched = fetch_scene(
                    value,
                    stage,
                    scene.incoming,
                    present=present,
                    retry_policy=self.items.retry_policy,
                    area=area,
                    arrived=arrived,
                )
                for name, how in fetched.items():
                    if how.origin in ("kept", "stored") and isinstance(scene.raw_bands, ObjectPath):
                        (stage / f"{name}.tif").unlink()  # the store has it: it is not uploaded again
        raw = self.read(scene)
        version = sha256_of_values({**raw.checksums, ITEM_FILE: sha256_of(raw.folder / ITEM_FILE)})
        return Written(raw_bands_metadata(raw, fetched), version)

    def read(self, scene: SceneLayout) -> RawBands:
        """Return the stored raw bands."""
        return RawBands.open(scene.raw_bands, scene.item)
