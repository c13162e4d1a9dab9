"""JSON Schemas of the extensions that our documents declare, written for this project from the specifications.

The original schemas are on the web, but the validation must work without a network. Our schemas define the same rules
for the fields that we use. Like the originals, they do not allow a field with an extension's prefix that the extension
does not define. A folder of the originals can replace them: see `lc_assets.products.stac.validate`.

Sources: the README and schema of each extension at the version in its URI (stac-extensions on GitHub), STAC 1.1 common
metadata.
"""

from __future__ import annotations

from typing import Any

from lc_assets.core.stac import CLASSIFICATION, EO, FILE, MLM, PROCESSING, PROJECTION, RASTER, RENDER, SAT, SENTINEL2

Schema = dict[str, Any]

_STRING: Schema = {"type": "string", "minLength": 1}
_NUMBER: Schema = {"type": "number"}
_COUNT: Schema = {"type": "integer", "minimum": 0}
# jsonschema checks `format` only if another library is installed, so the pattern does the check.
_DATETIME: Schema = {
    "type": "string",
    "format": "date-time",
    "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(\+00:00|Z)$",
}
_DATA_TYPE: Schema = {
    "enum": [
        *("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float16", "float32", "float64"),
        *("cint16", "cint32", "cfloat32", "cfloat64", "other"),
    ]
}


def _list(items: Schema, least: int = 1, most: int | None = None, **more: Any) -> Schema:
    return {"type": "array", "items": items, "minItems": least, **({"maxItems": most} if most else {}), **more}


def _object(required: tuple[str, ...], **properties: Schema) -> Schema:
    return {"type": "object", "required": list(required), "properties": properties}


_CLASS = _object(
    ("value", "name"),
    value={"type": "integer"},
    name={"type": "string", "pattern": "^[0-9A-Za-z-_]+$"},
    title=_STRING,
    description=_STRING,
    color_hint={"type": "string", "pattern": "^[0-9A-F]{6}$"},
    nodata={"type": "boolean"},
    percentage={"type": "number", "minimum": 0, "maximum": 100},
    count=_COUNT,
)
_CLASSES = _list(_CLASS, uniqueItems=True)

_STATISTICS: Schema = {
    **_object((), mean=_NUMBER, minimum=_NUMBER, maximum=_NUMBER, stddev=_NUMBER, valid_percent=_NUMBER),
    "minProperties": 1,
    "additionalProperties": False,
}
_HISTOGRAM: Schema = {
    **_object(("count", "min", "max", "buckets"), count=_COUNT, min=_NUMBER, max=_NUMBER, buckets=_list(_COUNT, 3)),
    "additionalProperties": False,
}

_FIELDS: dict[str, dict[str, Schema]] = {
    PROJECTION: {
        "proj:code": {"type": ["string", "null"], "pattern": "^[A-Za-z]+:[0-9A-Za-z]+$"},
        "proj:epsg": {"type": ["integer", "null"]},
        "proj:wkt2": {"type": ["string", "null"]},
        "proj:projjson": {"type": ["object", "null"]},
        "proj:geometry": {"type": "object", "required": ["type", "coordinates"]},
        "proj:bbox": {"anyOf": [_list(_NUMBER, 4, 4), _list(_NUMBER, 6, 6)]},
        "proj:centroid": _object(("lat", "lon"), lat=_NUMBER, lon=_NUMBER),
        "proj:shape": _list({"type": "integer"}, 2, 2),
        "proj:transform": {"anyOf": [_list(_NUMBER, 6, 6), _list(_NUMBER, 9, 9)]},
    },
    CLASSIFICATION: {"classification:classes": _CLASSES, "classification:bitfields": _list({"type": "object"})},
    FILE: {
        "file:byte_order": {"enum": ["big-endian", "little-endian"]},
        "file:checksum": {"type": "string", "pattern": "^[a-f0-9]+$"},
        "file:header_size": _COUNT,
        "file:size": _COUNT,
        "file:local_path": {"type": "string", "pattern": "^[^\\r\\n\\t\\\\:'\"/]+(/[^\\r\\n\\t\\\\:'\"/]+)*/?$"},
    },
    PROCESSING: {
        "processing:expression": {"type": "object", "required": ["format", "expression"]},
        "processing:lineage": _STRING,
        "processing:level": {"type": "string", "pattern": "^(RAW|L[0-9][A-Za-z]{0,2})$"},
        "processing:facility": _STRING,
        "processing:datetime": _DATETIME,
        "processing:version": _STRING,
        "processing:software": {"type": "object", "additionalProperties": {"type": "string"}},
    },
    RASTER: {
        "raster:bands": _list(
            _object(
                (),
                data_type=_DATA_TYPE,
                nodata={"anyOf": [_NUMBER, {"enum": ["nan", "inf", "-inf"]}]},
                unit=_STRING,
                sampling={"enum": ["area", "point"]},
                bits_per_sample={"type": "integer", "minimum": 1},
                spatial_resolution={"type": "number", "exclusiveMinimum": 0},
                scale=_NUMBER,
                offset=_NUMBER,
                statistics=_STATISTICS,
                histogram=_HISTOGRAM,
            )
        ),
        "raster:scale": _NUMBER,  # of 2.0, in `bands`, which the schema of 1.1 does not look into
    },
    EO: {
        "eo:cloud_cover": {"type": "number", "minimum": 0, "maximum": 100},
        "eo:snow_cover": {"type": "number", "minimum": 0, "maximum": 100},
        "eo:common_name": {
            "enum": [
                *("pan", "coastal", "blue", "green", "green05", "yellow", "red", "rededge", "rededge071"),
                *("rededge075", "rededge078", "nir", "nir08", "nir09", "cirrus", "swir16", "swir22", "lwir"),
                *("lwir11", "lwir12"),
            ]
        },
        "eo:center_wavelength": {"type": "number", "exclusiveMinimum": 0},
        "eo:full_width_half_max": {"type": "number", "exclusiveMinimum": 0},
        "eo:solar_illumination": {"type": "number", "minimum": 0},
    },
    SAT: {
        "sat:orbit_state": {"enum": ["ascending", "descending", "geostationary"]},
        "sat:absolute_orbit": {"type": "integer", "minimum": 1},
        "sat:relative_orbit": {"type": "integer", "minimum": 1},
    },
    SENTINEL2: {
        "s2:datatake_id": {"type": "string"},
        "s2:product_uri": {"type": "string"},
        "s2:processing_baseline": {"type": "string", "pattern": r"^\d\d\.\d\d$"},
        "s2:mgrs_tile": {"type": "string", "pattern": "^\\d\\d?[C-HJ-NP-X][A-HJ-NP-Z][A-HJ-NP-V]$"},
    },
}

_LABELS = r"[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*"
_SEMVER = rf"^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-{_LABELS})?(\+{_LABELS})?$"

_TASKS = _list(
    {"enum": ["regression", "classification", "scene-classification", "segmentation", "semantic-segmentation"]},
    uniqueItems=True,
)
_TENSOR = _object(
    ("shape", "dim_order", "data_type"),
    shape=_list({"type": "integer", "minimum": -1}),
    dim_order=_list({"type": "string", "pattern": "^[a-z-_]+$"}, uniqueItems=True),
    data_type=_DATA_TYPE,
)
_SCALING: Schema = {
    "anyOf": [
        _object(("type", "mean", "stddev"), type={"const": "z-score"}, mean=_NUMBER, stddev=_NUMBER),
        _object(("type", "minimum", "maximum"), type={"enum": ["min-max", "clip"]}, minimum=_NUMBER, maximum=_NUMBER),
        _object(("type", "value"), type={"enum": ["offset", "scale"]}, value=_NUMBER),
    ]
}
_MLM_FIELDS: dict[str, Schema] = {
    "mlm:name": {"type": "string", "pattern": "^[a-zA-Z][a-zA-Z0-9_.\\-\\s]+[a-zA-Z0-9]$"},
    "mlm:architecture": _STRING,
    "mlm:tasks": _TASKS,
    "mlm:framework": _STRING,
    "mlm:framework_version": {"type": "string", "pattern": _SEMVER},
    "mlm:total_parameters": _COUNT,
    "mlm:memory_size": _COUNT,
    "mlm:pretrained": {"type": "boolean"},
    "mlm:pretrained_source": {"type": ["string", "null"]},
    "mlm:batch_size_suggestion": _COUNT,
    "mlm:accelerator": {"type": ["string", "null"]},
    "mlm:hyperparameters": {"type": "object", "minProperties": 1, "propertyNames": {"pattern": "^[0-9a-zA-Z_.-]+$"}},
    "mlm:artifact_type": _STRING,
    "mlm:input": _list(
        _object(
            ("name", "input"),
            name=_STRING,
            bands=_list({"anyOf": [_STRING, _object(("name",), name=_STRING)]}),
            input={
                **_TENSOR,
                "properties": {
                    **_TENSOR["properties"],
                    "dim_order": {**_TENSOR["properties"]["dim_order"], "contains": {"const": "bands"}},
                },
            },
            value_scaling={"anyOf": [{"type": "null"}, _list(_SCALING)]},
        )
    ),
    "mlm:output": _list(
        {
            **_object(("name", "tasks", "result"), name=_STRING, tasks=_TASKS, result=_TENSOR),
            "properties": {
                "name": _STRING,
                "tasks": _TASKS,
                "result": _TENSOR,
                "classification:classes": _CLASSES,
            },
        }
    ),
}


def _extension(uri: str, known: dict[str, Schema], prefix: str = "") -> Schema:
    """Return the schema of an extension's fields in an Item: in properties, assets, links, and their `bands`.

    No other field may have the prefix of these fields.
    """
    prefix = prefix or next(iter(known)).partition(":")[0]
    fields: Schema = {
        "type": "object",
        "properties": known,
        "patternProperties": {f"^(?!{prefix}:)": {}},
        "additionalProperties": False,
    }
    with_bands = {"allOf": [fields, {"properties": {"bands": {"type": "array", "items": fields}}}]}
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "$id": uri,
        "type": "object",
        "required": ["stac_extensions"],
        "properties": {
            "stac_extensions": {"contains": {"const": uri}},
            "properties": with_bands,
            "assets": {"additionalProperties": with_bands},
            "links": {"items": fields},
        },
    }


def _mlm() -> Schema:
    schema = _extension(MLM, _MLM_FIELDS)
    model = {"required": ["roles"], "properties": {"roles": {"contains": {"const": "mlm:model"}}}}
    schema["required"] = ["stac_extensions", "properties", "assets"]
    schema["allOf"] = [
        {
            "properties": {
                "properties": {
                    "required": ["mlm:name", "mlm:architecture", "mlm:tasks", "mlm:input", "mlm:output", "bands"],
                    "not": {"required": ["mlm:artifact_type"]},
                },
                "assets": {
                    "minProperties": 1,
                    # An asset has both the role mlm:model and mlm:artifact_type, or neither.
                    "additionalProperties": {
                        "if": model,
                        "then": {"required": ["mlm:artifact_type"]},
                        "else": {"not": {"required": ["mlm:artifact_type"]}},
                    },
                },
            }
        }
    ]
    return schema


def _render() -> Schema:
    drawn = _object(
        ("assets",),
        assets=_list(_STRING),
        title=_STRING,
        rescale=_list(_list(_NUMBER, 2, 2)),
        nodata={"type": ["number", "string"]},
        colormap_name=_STRING,
        colormap={"type": "object"},
        resampling=_STRING,
    )
    schema = _extension(RENDER, {}, "render")
    schema["required"] = ["stac_extensions", "properties", "assets"]
    has = {"required": ["renders"], "properties": {"renders": {"type": "object", "additionalProperties": drawn}}}
    schema["allOf"] = [{"properties": {"properties": has}}]
    return schema


SCHEMAS: dict[str, Schema] = {
    **{uri: _extension(uri, known) for uri, known in _FIELDS.items()},
    MLM: _mlm(),
    RENDER: _render(),
}
