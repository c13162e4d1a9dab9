"""Convert a model's contract to a STAC item with the Machine Learning Model extension (MLM 1.6.0), and back.

Fields that MLM does not define have the prefix `lc:`: `lc:product_levels` (levels that the model was made for),
`lc:resampling` (kernel that resampled its training bands to 10 m), `lc:metrics`, `lc:training_data`, `lc:version`,
`lc:limitations`, `lc:positions` (each position of the feature map predicts its own cell), `lc:rivers`
(`ModelContract.rivers`). Training data is also linked (`derived_from`, as MLM's best practices recommend), with licence
and attribution.
"""

from __future__ import annotations

import math
import re
from typing import Any

from lc_assets.core.errors import BadModel
from lc_assets.core.landcover import CLASSES
from lc_assets.core.stac import CLASSIFICATION, EO, FILE, MLM, STAC_VERSION, class_objects, digest_of, multihash
from lc_assets.inference.contract import ModelContract
from lc_assets.sentinel2.band_table import BAND_INDEX, BANDS

EPOCH = "2026-11-24T00:00:00Z"
"""Default `datetime` of a model item. STAC requires one. It is fixed, so the item is reproducible."""

_FRAMEWORKS = {"keras": "Keras"}
"""Name of a framework in the contract -> its name in MLM. Other names are written unchanged."""

_DIM_ORDER = ["batch", "height", "width", "bands"]
_WORLD = [-180.0, -90.0, 180.0, 90.0]


def contract_to_item(
    contract: ModelContract,
    *,
    model_href: str = "./model.keras",
    model_bytes: int | None = None,
) -> dict[str, Any]:
    """Return the MLM item of a contract, as a JSON-compatible dict.

    Args:
        contract: the contract to convert.
        model_href: path of the `.keras` file, relative to the item.
        model_bytes: size of the `.keras` file.
    """
    west, south, east, north = _WORLD
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    scaling = [
        {"type": "z-score", "mean": mean, "stddev": std} for mean, std in zip(contract.mean, contract.std, strict=True)
    ]
    # MLM allows one scaling object per band, but a z-score object may have fields besides mean and stddev.
    for entry, highest in zip(scaling, contract.highest, strict=False):
        entry["maximum"] = highest
    size = contract.chip_size
    asset = {
        "href": model_href,
        "type": "application/vnd.keras",
        "title": "Keras weights and architecture",
        "roles": ["mlm:model", "mlm:weights"],
        "mlm:artifact_type": "keras.Model.save",
        # MLM requires the bands in the item's properties. STAC 1.1 allows them there only if an asset has bands too
        # (stac-spec issue 1359).
        "bands": [{"name": name} for name in contract.bands],
        "file:checksum": multihash(contract.sha256),
        **({"file:size": model_bytes} if model_bytes is not None else {}),
    }
    properties = {
        "datetime": EPOCH,
        "title": f"{contract.name} {contract.version}",
        **({"description": contract.description} if contract.description else {}),
        "mlm:name": contract.name,
        "mlm:architecture": "CNN",
        "mlm:tasks": ["scene-classification"],
        "mlm:framework": _FRAMEWORKS.get(contract.framework, contract.framework),
        **({"mlm:framework_version": contract.framework_version} if contract.framework_version else {}),
        "mlm:total_parameters": contract.total_parameters,
        "mlm:pretrained": True,
        # Null means "trained from scratch". If the source is unknown, MLM requires the field to be absent.
        **({"mlm:pretrained_source": contract.training_data[0]["title"]} if contract.training_data else {}),
        "mlm:input": [
            {
                "name": f"{len(contract.bands)} bands at 10 m, radiometric offset removed, no data as the mean",
                "bands": list(contract.bands),
                "input": {
                    "shape": [-1, size, size, len(contract.bands)],
                    "dim_order": _DIM_ORDER,
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
        **({"lc:positions": True} if contract.positions else {}),
        **({"lc:rivers": [list(river) for river in contract.rivers]} if contract.rivers else {}),
        "lc:metrics": contract.metrics,
        "lc:training_data": list(contract.training_data),
        **({"lc:limitations": list(contract.limitations)} if contract.limitations else {}),
    }
    return {
        "type": "Feature",
        "stac_version": STAC_VERSION,
        "stac_extensions": [MLM, FILE, CLASSIFICATION, EO],
        "id": contract.name,
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "bbox": _WORLD,
        "properties": properties,
        "links": [_source_link(source) for source in contract.training_data if source.get("href")],
        "assets": {"model": asset},
    }


def _source_link(source: dict[str, str]) -> dict[str, str]:
    # STAC allows SPDX ids and "other" as a licence. The original text is kept in lc:training_data.
    licence = source.get("license", "")
    return {"rel": "derived_from", **source, "license": licence if re.fullmatch(r"[\w.+-]+", licence) else "other"}


def contract_from_item(item: Any) -> ModelContract:
    """Return the contract in an MLM item.

    Args:
        item: parsed JSON.

    Raises:
        BadModel: the item is incomplete or wrong; the message names the field.
    """
    if not isinstance(item, dict):
        raise _bad(f"it is a {type(item).__name__}, not a JSON object")
    properties = _get(item, "properties", dict)
    inputs = _get(properties, "mlm:input", list)
    outputs = _get(properties, "mlm:output", list)
    if len(inputs) != 1 or len(outputs) != 1:
        raise _bad(f"it has {len(inputs)} inputs and {len(outputs)} outputs; one of each is supported")
    scaling = _get(inputs[0], "value_scaling", list)
    if not all(isinstance(s, dict) and s.get("type") == "z-score" for s in scaling):
        raise _bad("value_scaling must be one z-score (mean, stddev) per band")
    bands = tuple(_band_name(band) for band in _get(inputs[0], "bands", list))
    framework = _optional(properties, "mlm:framework", str, "keras")
    return ModelContract(
        name=_get(properties, "mlm:name", str),
        version=_optional(properties, "lc:version", str, "1"),
        bands=bands,
        product_levels=_all(_get(properties, "lc:product_levels", list), str, "lc:product_levels"),
        mean=tuple(_finite(s, "mean", n) for n, s in enumerate(scaling)),
        std=tuple(_finite(s, "stddev", n) for n, s in enumerate(scaling)),
        highest=tuple(_finite(s, "maximum", n) for n, s in enumerate(scaling) if "maximum" in s),
        chip_size=_chip_size(_get(inputs[0], "input", dict), len(bands)),
        resampling=_get(properties, "lc:resampling", str),
        class_names=_class_names(_get(outputs[0], "classification:classes", list)),
        sha256=_sha256(_model_asset(item)),
        positions=_flag(properties, "lc:positions"),
        rivers=_all(_optional(properties, "lc:rivers", list, []), list, "lc:rivers"),
        framework=next((name for name, mlm_name in _FRAMEWORKS.items() if mlm_name == framework), framework),
        framework_version=_optional(properties, "mlm:framework_version", str, ""),
        total_parameters=_optional(properties, "mlm:total_parameters", int, 0),
        description=_optional(properties, "description", str, ""),
        hyperparameters=dict(_optional(properties, "mlm:hyperparameters", dict, {})),
        metrics=dict(_optional(properties, "lc:metrics", dict, {})),
        training_data=_training_data(_optional(properties, "lc:training_data", list, [])),
        limitations=_all(_optional(properties, "lc:limitations", list, []), str, "lc:limitations"),
    )


def model_href(item: Any) -> str:
    """Return the href of the `.keras` file, relative to the item.

    Raises:
        BadModel: the item has no model asset.
    """
    return str(_get(_model_asset(item), "href", str))


def _model_asset(item: Any) -> dict[str, Any]:
    for asset in _get(item, "assets", dict).values():
        if isinstance(asset, dict) and "mlm:model" in str(asset.get("roles")):
            return asset
    raise _bad('it has no asset with the role "mlm:model"')


def _sha256(asset: dict[str, Any]) -> str:
    digest = digest_of(_get(asset, "file:checksum", str))
    if digest is None:
        raise _bad("file:checksum of the model asset is not a SHA-256 multihash (1220...)")
    return digest


def _class_names(classes: list[Any]) -> tuple[str, ...]:
    """Return the class names in output order. If a class has a `value`, it must be the position of the output."""
    for position, entry in enumerate(classes):
        if isinstance(entry, dict) and entry.get("value", position) != position:
            raise _bad(f"classification:classes/{position} has the value {entry['value']}, but it is output {position}")
    return tuple(_get(c, "name", str, f"classification:classes/{n}/name") for n, c in enumerate(classes))


def _training_data(sources: list[Any]) -> tuple[dict[str, str], ...]:
    for source in _all(sources, dict, "lc:training_data"):
        for key, value in source.items():
            if not isinstance(value, str):
                raise _bad(f"lc:training_data/{key} is a {type(value).__name__}, not a string")
    return tuple(sources)


def _band_name(band: Any) -> str:
    return band if isinstance(band, str) else str(_get(band, "name", str))


def _chip_size(tensor: dict[str, Any], bands: int) -> int:
    shape = _all(_get(tensor, "shape", list), int, "shape")
    order = _get(tensor, "dim_order", list)
    if order != _DIM_ORDER or len(shape) != 4 or shape[1] != shape[2] or shape[3] != bands:
        raise _bad(
            f"the input's shape is {list(shape)} as {order}; [-1, chip, chip, {bands}] as {_DIM_ORDER} is supported"
        )
    return int(shape[1])


def _finite(container: Any, key: str, number: int) -> float:
    where = f"mlm:input/0/value_scaling/{number}/{key}"
    try:
        value = float(_get(container, key, (int, float), where))
    except OverflowError:
        value = math.inf
    if not math.isfinite(value):
        raise _bad(f"{where} is {value}")
    return value


def _all(values: list[Any], kind: type, key: str) -> tuple[Any, ...]:
    wrong = next((v for v in values if not _is(v, kind)), None)
    if wrong is not None:
        raise _bad(f"{key} contains a {type(wrong).__name__} ({repr(wrong)[:200]}), not only {kind.__name__}")
    return tuple(values)


def _flag(container: dict[str, Any], key: str) -> bool:
    value = container.get(key, False)
    if not isinstance(value, bool):
        raise _bad(f"{key} is a {type(value).__name__}, not true or false")
    return value


def _optional(container: dict[str, Any], key: str, kind: type, default: Any) -> Any:
    return default if container.get(key) is None else _get(container, key, kind)


def _get(container: Any, key: str, kind: type | tuple[type, ...], where: str = "") -> Any:
    value = container.get(key) if isinstance(container, dict) else None
    if not _is(value, kind):
        wanted = " or ".join(k.__name__ for k in (kind if isinstance(kind, tuple) else (kind,)))
        found = "missing" if value is None else f"a {type(value).__name__}, not a {wanted}"
        raise _bad(f"{where or key} is {found}")
    return value


def _is(value: Any, kind: type | tuple[type, ...]) -> bool:
    # In Python a bool is an int, but no field here may be a JSON boolean.
    return isinstance(value, kind) and not isinstance(value, bool)


def _bad(problem: str) -> BadModel:
    return BadModel(
        f"the model's MLM item is not a complete contract: {problem}",
        remedy="complete the item; docs/your-own-model.md lists the required fields",
    )
