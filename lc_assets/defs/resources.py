"""The resources of the assets, the sensor and the schedule: store, items, model, reference maps, watch file and so on.

A resource holds plain settings (texts and numbers). Its methods return the objects of the lower rooms.
"""

import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from dagster import ConfigurableResource, InitResourceContext, ResourceDependency
from pydantic import Field

from lc_assets.core.errors import LandCoverError
from lc_assets.core.retry_policy import DEFAULT_POLICY, RetryPolicy
from lc_assets.core.settings import COLLECTION, PLANETARY_COMPUTER, PRECISIONS, REFERENCES
from lc_assets.inference.contract import ModelContract
from lc_assets.inference.engine import Engine
from lc_assets.inference.loading import open_model, read_contract
from lc_assets.operations.keys import CLASS_RASTER
from lc_assets.operations.watch import WatchConfig
from lc_assets.products.agreement.references import Reference, find_reference
from lc_assets.sentinel2.item.scene import Scene
from lc_assets.sentinel2.search.catalog import StacCatalogClient
from lc_assets.sentinel2.search.registry import RegisteredItems
from lc_assets.store.layout import ALL_SCENES, Store
from lc_assets.store.paths import StorePath
from lc_assets.store.web_url import web_url

if TYPE_CHECKING:
    from lc_assets.raster.polygons import Polygons


class StoreResource(ConfigurableResource):
    """The store: the folder or bucket that holds all files of the project."""

    root: str = Field(description="Where the store is: an absolute path, or a URL (s3://, az://, gs://).")
    files_url: str = Field(default="", description="Where a browser reaches the store; empty: lc_assets.store.web_url.")
    area: str = Field(default="", description="File of polygons of which scenes are kept; empty: what the store says.")

    def store(self) -> Store:
        """Return the store at `root`.

        Raises:
            StoreError: `root` is not a usable path or URL.
        """
        return Store.at(self.root)

    def url(self, path: StorePath) -> str:
        """Return the URL of a file of the store for a browser."""
        return web_url(self.store().root, path, self.files_url)

    @property
    def all_scenes(self) -> str:
        """URL of the page of all scenes."""
        return self.url(self.store().root / ALL_SCENES)

    def kept_area(self) -> "Polygons | None":
        """Return the area of the store, in degrees; None if it keeps whole scenes. `area` becomes that of the store if
        it has none.

        Raises:
            LandCoverError: the store has another area than `area`, or one of them cannot be read.
        """
        store = self.store()
        if not self.area and not store.area.exists():
            return None
        from lc_assets.sentinel2.search.store_area import area_of  # of shapely, which costs a tenth of a second

        return area_of(store, Path(self.area) if self.area else None, keep=True)


class ItemsResource(ConfigurableResource):
    """Finds STAC items by id: first among the registered items of the store, then in the configured STAC API."""

    store: ResourceDependency[StoreResource]
    stac_url: str = Field(default=PLANETARY_COMPUTER, description="STAC API for ids that are not registered.")
    collection: str = Field(default=COLLECTION, description="Collection of that API.")
    timeout: float = Field(
        default=DEFAULT_POLICY.read,
        gt=0,
        description="Longest wait for more data of a server, in seconds.",
    )
    backoff: float = Field(
        default=DEFAULT_POLICY.backoff,
        ge=0,
        description="Seconds before a second attempt, then doubled.",
    )

    @property
    def retry_policy(self) -> RetryPolicy:
        """The time-outs and retries of requests, also of those for pixels."""
        return RetryPolicy(read=self.timeout, backoff=self.backoff)

    def catalog(self) -> StacCatalogClient:
        """Return a client of the STAC API, for the configured collection."""
        return StacCatalogClient(self.stac_url, self.collection, self.retry_policy)

    def quick_catalog(self, collection: str | None = None) -> StacCatalogClient:
        """Return a client with short timeouts and two tries, for the sensor: Dagster stops a tick after one minute.

        Args:
            collection: collection of the API; None means the configured one.
        """
        bounds = {"connect": min(self.timeout, 5.0), "read": min(self.timeout, 10.0)}
        retry_policy = RetryPolicy(tries=2, backoff=self.backoff, **bounds)
        return StacCatalogClient(self.stac_url, collection or self.collection, retry_policy)

    def registry(self) -> RegisteredItems:
        """Return the registered items of the store, which ask the STAC API for unknown ids."""
        return RegisteredItems(self.store.store(), self.catalog())


class ModelResource(ConfigurableResource):
    """A pre-trained Keras model and its contract. A process loads the model once."""

    item: str = Field(description="Path of the model's MLM item (.json), which says where the .keras file is.")
    precision: str = Field(
        default="auto",
        pattern=f"^({'|'.join(PRECISIONS)})$",
        description=f"Arithmetic of the network: {', '.join(PRECISIONS)}.",
    )

    window: int | None = Field(
        default=None, ge=0, description="Window of the maps, where a run's config names none; see class_raster."
    )

    def setup_for_execution(self, context: InitResourceContext) -> None:
        """Load the model in a thread while the run makes the assets before it. The first time this takes 3 s."""
        chosen = context.run.asset_selection if context.run else None
        if chosen and CLASS_RASTER not in chosen:
            return
        # Not a daemon thread: the interpreter hangs or crashes if it exits while the libraries of Keras are imported.
        threading.Thread(target=self._warm_up, name="load the model", daemon=False).start()

    def contract(self) -> ModelContract:
        """Read the model's contract (bands, chip size, scaling, classes) without loading the model.

        Raises:
            BadModel: the item is missing, is not JSON, or is not a complete contract.
        """
        return read_contract(Path(self.item))[0]

    def engine(self) -> Engine:
        """Return the loaded model, checked against its contract.

        Raises:
            BadModel: the model cannot be loaded, or does not match its contract.
        """
        return open_model(Path(self.item), self.precision)

    def _warm_up(self) -> None:
        with suppress(LandCoverError):  # the first use of the model raises it again, with its remedy
            self.engine()


class EvaluationResource(ConfigurableResource):
    """What the model is evaluated on, in addition to synthetic scenes."""

    chips: str = Field(
        default="", description="Folder of labelled chips: lc_assets.training.data.splits; empty: none are used."
    )
    scenes: str = Field(
        default="",
        description="Folder of scenes with references: lc_assets.training.evaluation.scenes; empty: none are used.",
    )

    def folders(self) -> list[Path | None]:
        """Return the folders of chips and of scenes; None if there is none."""
        return [Path(folder) if folder else None for folder in (self.chips, self.scenes)]


class ReferenceResource(ConfigurableResource):
    """Finds the reference maps that a class map is compared with."""

    items: ResourceDependency[ItemsResource]
    names: list[str] = Field(default=list(REFERENCES), description="References to compare with where a run names none.")
    crosswalk: str = Field(default="", description="Crosswalk for references that come without one.")

    def scene(self, item: str) -> Scene:
        """Return the scene of a STAC item id, which is the partition key.

        Raises:
            LandCoverError: the item is unknown or not usable.
        """
        return self.items.registry().find(item)

    def find(self, named: str, scene: Scene, crosswalk: str) -> Reference:
        """Return the reference map that a name, path or URL means for a scene.

        Args:
            named: see `lc_assets.products.agreement.references.find_reference`.
            scene: the scene whose footprint the reference map covers.
            crosswalk: path of the crosswalk; an empty text means the one of the package, or else the configured one.

        Raises:
            LandCoverError: the reference is unknown, has no crosswalk or does not cover the scene.
        """
        return find_reference(named, scene, self.items.catalog(), crosswalk or None, self.crosswalk or None)


class WatchResource(ConfigurableResource):
    """The YAML file that says what the sensor watches; see `lc_assets.operations.watch`."""

    file: str = Field(description="Path of the YAML file that says what to watch.")

    @property
    def path(self) -> Path:
        """Path of the YAML file."""
        return Path(self.file)

    def watch(self) -> WatchConfig:
        """Read the file.

        Raises:
            LandCoverError: the file is missing or not valid.
        """
        return WatchConfig.read(self.path)
