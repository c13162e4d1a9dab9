"""The store: where everything is written, under which names, and never half.

    <root>/items/<ID>.json            registered items (unsigned hrefs), what a partition key stands for
    <root>/scenes/<ID>/               one folder per scene, self-contained: copy it and you have everything
        raw_bands/                    the source files byte for byte, item.json, manifest.json (written last)
        resampled_stack/              stack.vrt (or stack.tif), scl.vrt, native_<band>.vrt
        <ID>_classified.tif           class map
        <ID>_confidence.tif           its confidence
        overview_<ID>_classified.tif  lower-resolution class map
        <ID>_thumbnail.png            picture with legend
        report.html                   all of it on one page
        agreement/<reference>/        how far it agrees with a reference map (`lc_assets.products.agreement.scene`)
        catalog.json, <ID>_classified.json

The root is a folder, or a place in an object store (`lc_assets.store.paths`). Files are written whole
(`lc_assets.store.atomic`).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lc_assets.core.errors import StoreError
from lc_assets.store.ids import checked_id
from lc_assets.store.object_path import ObjectPath
from lc_assets.store.paths import StorePath, parse_path
from lc_assets.store.scratch import scratch_dir


@dataclass(frozen=True)
class SceneLayout:
    """The names inside one scene's folder."""

    item: str
    folder: StorePath

    @property
    def raw_bands(self) -> StorePath:
        """Folder of the source files."""
        return self.folder / "raw_bands"

    @property
    def incoming(self) -> Path:
        """Local folder of what is being fetched; what a failed attempt has fetched stays there for the next one."""
        return scratch_dir(self.folder) / ".raw_bands.incoming"

    @property
    def lease(self) -> ObjectPath | None:
        """What whoever fetches holds, so that no other machine does; None on a disk, where a file lock does that."""
        return self.folder / ".raw_bands.lease" if isinstance(self.folder, ObjectPath) else None

    @property
    def manifest(self) -> StorePath:
        """What `raw_bands` holds; its presence says that the folder is complete."""
        return self.raw_bands / "manifest.json"

    @property
    def resampled_stack(self) -> StorePath:
        """Folder of the stack."""
        return self.folder / "resampled_stack"

    @property
    def classified(self) -> StorePath:
        """The class map."""
        return self.folder / f"{self.item}_classified.tif"

    @property
    def confidence(self) -> StorePath:
        """The class map's confidence."""
        return self.folder / f"{self.item}_confidence.tif"

    @property
    def overview(self) -> StorePath:
        """The lower-resolution class map."""
        return self.folder / f"overview_{self.item}_classified.tif"

    @property
    def thumbnail(self) -> StorePath:
        """The picture with legend."""
        return self.folder / f"{self.item}_thumbnail.png"

    @property
    def report(self) -> StorePath:
        """The scene's page."""
        return self.folder / "report.html"

    @property
    def catalog(self) -> StorePath:
        """The STAC catalog."""
        return self.folder / "catalog.json"


@dataclass(frozen=True)
class Store:
    """Everything that is written, below one place."""

    root: StorePath

    @classmethod
    def at(cls, root: str | Path) -> Store:
        """The store that a setting names: a folder, or a URL.

        Raises:
            StoreError: it is a URL of something else.
        """
        return cls(parse_path(root))

    def scene(self, item: str) -> SceneLayout:
        """The folder of a scene; nothing is created.

        Raises:
            BadReference: the id cannot name a folder.
        """
        return SceneLayout(item, self.root / "scenes" / checked_id(item))

    def folders(self) -> list[str]:
        """Names of all folders of scenes, sorted; one that nobody here has made may be no item id.

        Raises:
            StoreError: one of the keys cannot be listed.
            OSError: the store cannot be read.
        """
        folder = self.root / "scenes"
        if isinstance(folder, Path) and not folder.exists():
            return []
        try:
            return sorted(place.name for place in folder.iterdir() if not place.name.startswith("."))
        except OSError as error:
            # object_store lists nothing at all where one key has an empty or '..' segment.
            if "invalid path" not in str(error).lower():
                raise
            raise StoreError(
                f"{folder} cannot be listed ({error.strerror or error})", remedy="remove the object of that key"
            ) from None

    def registered(self, item: str) -> StorePath:
        """Where the registered item of a partition key lies.

        Raises:
            BadReference: the id cannot name a file.
        """
        return self.root / "items" / f"{checked_id(item)}.json"
