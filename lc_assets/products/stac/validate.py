"""Validates STAC documents without a network: the core with pystac's bundled schemas, each extension with ours."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from lc_assets.core.environment import variable
from lc_assets.products.stac.schemas import SCHEMAS, Schema


def validate_offline(document: dict[str, Any], schema_folder: Path | None = None) -> list[str]:
    """Return the faults of a STAC Item, Catalog or Collection, one text per fault; empty if the document is valid.

    Args:
        document: parsed JSON.
        schema_folder: folder with original schemas of extensions (`*.json`). A schema there replaces ours with the same
            `$id`. The default is `LC_ASSETS_STAC_SCHEMAS`, if set.
    """
    import jsonschema
    from pystac.validation.local_validator import get_local_schema_cache
    from referencing import Registry, Resource
    from referencing.exceptions import Unresolvable
    from referencing.jsonschema import DRAFT7

    if not isinstance(document, dict):
        return [f"document: a {type(document).__name__}, not a JSON object"]
    folder = schema_folder or (Path(p) if (p := variable("LC_ASSETS_STAC_SCHEMAS")) else None)
    originals = _originals(folder) if folder else {}
    core = get_local_schema_cache()
    known = {**core, **originals}
    registry = Registry().with_resources((uri, Resource.from_contents(s, DRAFT7)) for uri, s in known.items())
    kind = str(document.get("type")).lower()
    kind = kind if kind in ("catalog", "collection") else "item"
    own = next(schema for uri, schema in core.items() if uri.endswith(f"/{kind}-spec/json-schema/{kind}.json"))
    schemas = [(f"STAC {document.get('stac_version')}", own)]
    faults = []
    declared = document.get("stac_extensions", [])
    if not isinstance(declared, list) or not all(isinstance(uri, str) for uri in declared):
        return ["stac_extensions: not a list of strings"]
    for uri in declared:
        schema = originals.get(uri) or SCHEMAS.get(uri)
        if schema is None:
            faults.append(f"{uri}: declared, but its schema is not available")
        else:
            schemas.append((uri, schema))
    for name, schema in schemas:
        validator = jsonschema.Draft7Validator(schema, registry=registry, format_checker=jsonschema.FormatChecker())
        try:
            for error in validator.iter_errors(document):
                faults.append(f"{name}: {'/'.join(map(str, error.absolute_path)) or 'document'}: {error.message[:300]}")
        except Unresolvable as error:
            faults.append(f"{name}: it refers to the schema {error.ref}, which is not available")
    return faults


@cache
def _originals(folder: Path) -> dict[str, Schema]:
    found = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))]
    return {schema["$id"].rstrip("#"): schema for schema in found if "$id" in schema}
