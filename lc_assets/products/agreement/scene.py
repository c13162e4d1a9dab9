"""Compares the map of a scene with one reference map, and writes these files into the folder of the scene:

agreement/<reference>/agreement.json      all figures, written last
                      disagreement.tif    where both maps agree and disagree: a COG on the map's grid
                      sample.csv          the sampled pixels; a person can check each of them to measure the accuracy
                      confusion.png, disagreement.png
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
from rasterio.warp import transform

from lc_assets.core.checksum import sha256_of
from lc_assets.core.errors import BadReference, LandCoverError, StoreError
from lc_assets.core.retry_policy import DEFAULT_POLICY, RetryPolicy
from lc_assets.inference.class_map import ClassMap
from lc_assets.products.agreement.compare import Comparison, compare
from lc_assets.products.agreement.document import document_of
from lc_assets.products.agreement.pictures import disagreement_picture, matrix_picture
from lc_assets.products.agreement.reference_tiles import open_tiles
from lc_assets.products.agreement.references import Reference
from lc_assets.products.agreement.warp import Reprojector
from lc_assets.products.csv_text import csv_text
from lc_assets.raster.grid import Grid
from lc_assets.store.atomic import atomic_output
from lc_assets.store.layout import AGREEMENT_FOLDER, SceneLayout
from lc_assets.store.paths import StorePath

ASSET = "reference_agreement"
DOCUMENT = "agreement.json"
DISAGREEMENT = "disagreement.tif"
SAMPLES = 3000
"""Default number of sampled pixels. The interval of the overall agreement is then about plus or minus two percent."""


@dataclass(frozen=True)
class Agreement:
    """The result of a comparison.

    Attributes:
        document: content of `agreement.json`.
        confusion: PNG image of the error matrix.
    """

    reference: Reference
    compared: Comparison
    document: dict[str, Any]
    folder: StorePath
    confusion: bytes


def agreement_folder(scene: SceneLayout, reference: str) -> StorePath:
    """Return the folder of a comparison's files. `reference` is the name of the reference."""
    return scene.folder / AGREEMENT_FOLDER / reference


def compare_scene(
    scene: SceneLayout,
    reference: Reference,
    *,
    samples: int = SAMPLES,
    seed: int = 0,
    retry_policy: RetryPolicy = DEFAULT_POLICY,
) -> Agreement:
    """Compare the map of a scene with a reference map, and write the files of the comparison.

    Args:
        retry_policy: timeouts and retries of the requests for pixels.

    Raises:
        LandCoverError: the map is missing; the reference cannot be read (transient if the network failed) or does not
            cover the scene; the store cannot be written.
    """
    classes = ClassMap.open(scene)
    target = agreement_folder(scene, reference.name)
    try:
        with (
            open_tiles(reference.tiles, retry_policy) as tiles,
            atomic_output(target, item=scene.item, asset=ASSET, last=DOCUMENT) as stage,
        ):
            warper = Reprojector(tiles, classes.grid, reference.crosswalk)
            if not warper.overlaps():
                raise BadReference(f"the reference {reference.name} does not intersect it", remedy="choose another one")
            compared = compare(classes, warper, reference.crosswalk, stage / DISAGREEMENT, samples=samples, seed=seed)
            try:
                document = document_of(compared, reference, classes, sha256_of(classes.path), samples, seed)
            except OSError as error:
                raise StoreError(f"{classes.path} cannot be read ({error})", remedy="run it again") from None
            confusion = matrix_picture(compared)
            (stage / "confusion.png").write_bytes(confusion)
            (stage / "disagreement.png").write_bytes(disagreement_picture(stage / DISAGREEMENT, compared))
            (stage / "sample.csv").write_text(_sample(compared, classes.grid), encoding="utf-8", newline="")
            # The old document is removed first. If the process is killed in between, no document describes wrong files.
            (target / DOCUMENT).unlink(missing_ok=True)
            (stage / DOCUMENT).write_text(json.dumps(document, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    except LandCoverError as error:
        error.item, error.asset = error.item or scene.item, error.asset or ASSET
        raise
    return Agreement(reference, compared, document, target, confusion)


def read_document(scene: SceneLayout, reference: str) -> dict[str, Any]:
    """Return the content of a comparison's `agreement.json`.

    Raises:
        StoreError: the document is missing or cannot be read.
    """
    path = agreement_folder(scene, reference) / DOCUMENT
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        raise StoreError(
            f"{path} is not in the store", item=scene.item, asset=ASSET, remedy=f"materialise {ASSET} of this item"
        ) from None


def documents_of_map(scene: SceneLayout) -> list[dict[str, Any]]:
    """Return the content of all `agreement.json` that describe the present map of a scene, in the order of their names.

    Raises:
        OSError, ValueError: a file cannot be read.
    """
    folder = scene.folder / AGREEMENT_FOLDER
    if not folder.exists():
        return []
    names = sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
    paths = [agreement_folder(scene, name) / DOCUMENT for name in names]
    documents = [json.loads(path.read_text(encoding="utf-8")) for path in paths if path.exists()]
    if not documents:
        return []
    present = sha256_of(scene.classified)
    return [document for document in documents if document["map"]["sha256"] == present]


def _sample(compared: Comparison, grid: Grid) -> str:
    """Return the sampled pixels as CSV: row, column, centre in metres and degrees, groups of both maps."""
    table, group_of = compared.crosswalk, compared.crosswalk.group_of("reference")
    indices = np.concatenate([part.indices for part in compared.samples])
    map_groups = np.repeat(np.arange(len(table.groups)), [len(part.indices) for part in compared.samples])
    classes = np.concatenate([part.values for part in compared.samples]).astype(int)
    order = np.argsort(indices)
    rows, columns = np.divmod(indices[order], grid.width)
    x = grid.transform.c + grid.transform.a * (columns + 0.5)
    y = grid.transform.f + grid.transform.e * (rows + 0.5)
    longitudes, latitudes = transform(grid.crs, "EPSG:4326", x, y) if len(indices) else ([], [])
    lines = [["row", "column", "x", "y", "longitude", "latitude", "map", "reference_class", "reference", "agree"]]
    for n, pixel in enumerate(order):
        map_group, reference_group = table.groups[map_groups[pixel]], table.groups[group_of[classes[pixel]]]
        position = [rows[n], columns[n], f"{x[n]:.1f}", f"{y[n]:.1f}", f"{longitudes[n]:.6f}", f"{latitudes[n]:.6f}"]
        agree = "yes" if map_group == reference_group else "no"
        lines.append([*position, map_group, table.reference[classes[pixel]].name, reference_group, agree])
    return csv_text(lines)
