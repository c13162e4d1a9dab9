"""Collects the content of the STAC Item: files with checksums, the model that made the map, parameters, software."""

from __future__ import annotations

import hashlib
import json
import platform
import shutil
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import rasterio

import lc_assets
from lc_assets.core.errors import BadModel, StoreError
from lc_assets.core.settings import MODEL_FILE
from lc_assets.inference.class_map import ClassMap
from lc_assets.inference.contract import ModelContract
from lc_assets.inference.loading import read_contract
from lc_assets.inference.mlm import contract_to_item
from lc_assets.products.overview import Overview
from lc_assets.products.stac.item import ClassifiedScene
from lc_assets.products.stac.map_item import ProductFile
from lc_assets.sentinel2.bands.raw_bands import RawBands
from lc_assets.store.atomic import atomic_output
from lc_assets.store.layout import ITEM_FILE, Store
from lc_assets.store.paths import StorePath

_SOFTWARE = ("dagster", "keras", "openvino", "torch", "numpy", "rasterio", "rio-cogeo", "pystac")
_PARAMETERS = {
    "window": "WINDOW",
    "stride": "STRIDE",
    "resampling": "RESAMPLING",
    "scl_mask": "SCL_MASK",
    "scl_dilation": "SCL_DILATION",
    "precision": "PRECISION",
    "product_level": "PRODUCT_LEVEL",
    "processing_baseline": "PROCESSING_BASELINE",
    "overview_factor": "OVERVIEW_FACTOR",
}


def describe_scene(
    store: Store, raw: RawBands, classes: ClassMap, overview: Overview, report: StorePath, model_item: str
) -> ClassifiedScene:
    """Return the content of a scene's STAC Item.

    The model is copied into the store once, so that the Item can link to it.

    Args:
        report: path of the page.
        model_item: path of the configured model's MLM item.

    Raises:
        BadModel: the configured model is not the one that made the class map.
        StoreError: a product is missing, or the model cannot be written into the store.
    """
    contract, weights = model_of_map(classes, Path(model_item), asset="catalog")
    folder = store.scene(classes.item)
    tags = {
        "WINDOW": str(contract.chip_size),
        **classes.tags,
        "OVERVIEW_FACTOR": f"{round(overview.grid.resolution / classes.grid.resolution)}",
    }
    products = (*classes.rasters, overview.path, overview.thumbnail, report, *folder.legends.values())
    return ClassifiedScene(
        layout=folder,
        files={path.name: _product(path, classes.item) for path in products},
        source=raw.scene.document,
        source_href=f"./{folder.raw_bands.name}/{ITEM_FILE}",
        grid=classes.grid,
        overview_grid=overview.grid,
        pixels=classes.pixels,
        contract=contract,
        model_href=_store_model(store, contract, weights, classes.item),
        created=now(),
        mean_confidence=float(tags["MEAN_CONFIDENCE"]) if "MEAN_CONFIDENCE" in tags else None,
        parameters={name: tags[tag] for name, tag in _PARAMETERS.items() if tag in tags},
        software=software(),
        part=raw.part,
    )


def now() -> str:
    """Return the current time in UTC, to the second, such as `2024-05-01T10:20:30Z`."""
    return datetime.now(timezone.utc).replace(microsecond=0).isoformat().replace("+00:00", "Z")


def model_of_map(classes: ClassMap, model_item: Path, *, asset: str) -> tuple[ModelContract, Path]:
    """Return the contract and the weights' path of the configured model, which must have made the class map.

    Args:
        model_item: path of the configured model's MLM item.
        asset: name of the calling asset, for the message.

    Raises:
        BadModel: another model made the map, or the configured model cannot be read.
    """
    contract, weights = read_contract(model_item)
    if contract.fingerprint != classes.tags.get("MODEL_FINGERPRINT"):
        raise BadModel(
            f"its class map was made by {classes.tags.get('MODEL')}, the configured model is {contract.name} "
            f"{contract.version} with other weights or another contract",
            item=classes.item,
            asset=asset,
            remedy="materialise class_raster again, or set LC_ASSETS_MODEL to the model that made the map",
        )
    return contract, weights


def software() -> dict[str, str]:
    """Return name -> version of the software that makes a map. Packages that are not installed are left out."""
    found = {"lc_assets": lc_assets.__version__, "python": platform.python_version(), "gdal": rasterio.__gdal_version__}
    for name in _SOFTWARE:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _store_model(store: Store, contract: ModelContract, weights: Path, item: str) -> str:
    """Copy the two files of the model into the store, unless they exist there.

    Returns the href of its MLM item, relative to the folder of a scene.
    """
    content = contract_to_item(contract, model_bytes=weights.stat().st_size)
    text = json.dumps(content, indent=2, allow_nan=False) + "\n"
    # The same weights may have several contracts (such as another scaling): each pair gets its own folder.
    contract_hash = hashlib.sha256(text.encode()).hexdigest()[:6]
    folder = store.models / f"{contract.name}-{contract.sha256[:12]}-{contract_hash}"
    document = folder / MODEL_FILE
    if not document.exists():
        with atomic_output(folder, item=item, asset="catalog", last=document.name) as stage:
            shutil.copyfile(weights, stage / "model.keras")
            (stage / document.name).write_text(text, encoding="utf-8")
    return f"../../{store.models.name}/{folder.name}/{document.name}"


def _product(path: StorePath, item: str) -> ProductFile:
    if not path.exists() or not path.stat().st_size:
        raise StoreError(
            f"{path} is missing or empty", item=item, asset="catalog", remedy="materialise the assets before catalog"
        )
    return ProductFile.of(path)
