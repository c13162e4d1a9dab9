"""A model's contract as a STAC item of the Machine Learning Model extension (MLM 1.6.0), and back.

What MLM has no field for is kept under the prefix `lc:`: `lc:product_levels` (what the model was made for),
`lc:resampling` (kernel that brought its training bands to 10 m), `lc:metrics`, `lc:training_data`, `lc:version`.
"""

from __future__ import annotations

from typing import Any

from lc_assets.errors import BadModel
from lc_assets.inference.contract import ModelContract
from lc_assets.landcover import CLASSES
from lc_assets.sentinel2.bands import BAND_INDEX, BANDS
from lc_assets.stac.vocabulary import CLASSIFICATION, FILE, MLM, STAC_VERSION, class_objects, digest_of, multihash

EPOCH = "2026-11-23T00:00:00Z"
"""`datetime` of a model item unless given: an item must have one, and a reproducible one must not say "now"."""

_WORLD = [-180.0, -90.0, 180.0, 90.0]


def contract_to_item(
    contract: ModelContract,
    *,
    model_href: str = "./model.keras",
    model_bytes: int | None = None,
    created: str = EPOCH,
) -> dict[str, Any]:
    """The MLM item of a contract.

    Args:
        contract: what to write down.
        model_href: where the `.keras` file is, relative to the item.
        model_bytes: its size.
        created: ISO 8601 date of the weights.
    """
    west, south, east, north = _WORLD
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    scaling = [
        {"type": "z-score", "mean": mean, "stddev": std} for mean, std in zip(contract.mean, contract.std, strict=True)
    ]
    size = contract.chip_size
    asset = {
        "href": model_href,
        "type": "application/vnd.keras",
        "title": "Keras weights and architecture",
        "roles": ["mlm:model", "mlm:weights"],
        "mlm:artifact_type": "keras.Model.save",
        "file:checksum": multihash(contract.sha256),
        **({"file:size": model_bytes} if model_bytes is not None else {}),
    }
    properties = {
        "datetime": created,
        "title": f"{contract.name} {contract.version}",
        "description": contract.description or "Land-cover classification of Sentinel-2 chips.",
        "mlm:name": contract.name,
        "mlm:architecture": "CNN",
        "mlm:tasks": ["scene-classification"],
        "mlm:framework": "Keras",
        **({"mlm:framework_version": contract.framework_version} if contract.framework_version else {}),
        "mlm:total_parameters": contract.total_parameters,
        "mlm:pretrained": True,
        "mlm:pretrained_source": contract.training_data[0]["title"] if contract.training_data else None,
        "mlm:input": [
            {
                "name": f"{len(contract.bands)} bands at 10 m, radiometric offset removed, no data as the mean",
                "bands": list(contract.bands),
                "input": {
                    "shape": [-1, size, size, len(contract.bands)],
                    "dim_order": ["batch", "height", "width", "bands"],
                    "data_type": "float32",
                },
                "value_scaling": scaling,
            }
        ],
        "mlm:output": [
            {
                "name": "class probabilities",
                "tasks": ["scene-classification"],
                "result": {"shape": [-1, len(CLASSES)], "dim_order": ["batch", "class"], "data_type": "float32"},
                "classification:classes": class_objects(CLASSES),
            }
        ],
        **({"mlm:hyperparameters": contract.hyperparameters} if contract.hyperparameters else {}),
        "bands": [
            {"name": b.name, "eo:common_name": b.common_name, "eo:center_wavelength": b.center_wavelength, "gsd": b.gsd}
            for b in (BANDS[BAND_INDEX[name]] for name in contract.bands)
        ],
        "lc:version": contract.version,
        "lc:product_levels": list(contract.product_levels),
        "lc:resampling": contract.resampling,
        "lc:metrics": contract.metrics,
        "lc:training_data": list(contract.training_data),
    }
    return {
        "type": "Feature",
        "stac_version": STAC_VERSION,
        "stac_extensions": [MLM, FILE, CLASSIFICATION],
        "id": contract.name,
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "bbox": _WORLD,
        "properties": properties,
        "links": [],
        "assets": {"model": asset},
    }


def contract_from_item(item: Any) -> ModelContract:
    """Read a contract back.

    Raises:
        BadModel: the item is incomplete; the message names the field.
    """
    properties = _get(item, "properties", dict)
    inputs = _get(properties, "mlm:input", list)
    outputs = _get(properties, "mlm:output", list)
    if len(inputs) != 1 or len(outputs) != 1:
        raise _bad(f"it has {len(inputs)} inputs and {len(outputs)} outputs; one of each is supported")
    scaling = _get(inputs[0], "value_scaling", list)
    if not all(isinstance(s, dict) and s.get("type") == "z-score" for s in scaling):
        raise _bad("value_scaling must be one z-score (mean, stddev) per band")
    shape = _get(_get(inputs[0], "input", dict), "shape", list)
    if len(shape) != 4 or shape[1] != shape[2]:
        raise _bad(f"the input's shape is {shape}; [-1, chip, chip, bands] is supported")
    return ModelContract(
        name=_get(properties, "mlm:name", str),
        version=str(properties.get("lc:version", "1")),
        bands=tuple(_band_name(band) for band in _get(inputs[0], "bands", list)),
        product_levels=tuple(_get(properties, "lc:product_levels", list)),
        mean=tuple(float(_get(s, "mean", (int, float))) for s in scaling),
        std=tuple(float(_get(s, "stddev", (int, float))) for s in scaling),
        chip_size=int(shape[1]),
        resampling=_get(properties, "lc:resampling", str),
        class_names=tuple(_get(c, "name", str) for c in _get(outputs[0], "classification:classes", list)),
        sha256=_sha256(_model_asset(item)),
        framework=str(properties.get("mlm:framework", "keras")).lower(),
        framework_version=str(properties.get("mlm:framework_version", "")),
        total_parameters=int(properties.get("mlm:total_parameters", 0)),
        description=str(properties.get("description", "")),
        hyperparameters=dict(properties.get("mlm:hyperparameters", {})),
        metrics=dict(properties.get("lc:metrics", {})),
        training_data=tuple(properties.get("lc:training_data", ())),
    )


def model_href(item: Any) -> str:
    """Where the `.keras` file is, relative to the item.

    Raises:
        BadModel: the item has no model asset.
    """
    return str(_get(_model_asset(item), "href", str))


def _model_asset(item: Any) -> dict[str, Any]:
    for asset in _get(item, "assets", dict).values():
        if isinstance(asset, dict) and "mlm:model" in asset.get("roles", []):
            return asset
    raise _bad('it has no asset with the role "mlm:model"')


def _sha256(asset: dict[str, Any]) -> str:
    digest = digest_of(_get(asset, "file:checksum", str))
    if digest is None:
        raise _bad("file:checksum of the model asset is no SHA-256 multihash (1220...)")
    return digest


def _band_name(band: Any) -> str:
    return band if isinstance(band, str) else str(_get(band, "name", str))


def _get(container: Any, key: str, kind: type | tuple[type, ...]) -> Any:
    value = container.get(key) if isinstance(container, dict) else None
    if not isinstance(value, kind):
        raise _bad(f"{key} is missing" if value is None else f"{key} is a {type(value).__name__}")
    return value


def _bad(problem: str) -> BadModel:
    return BadModel(
        f"the model's MLM item is no complete contract: {problem}",
        asset="class_raster",
        remedy="complete the item; README, 'Bring your own model', lists what it must say",
    )
