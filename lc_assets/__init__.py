"""Sentinel-2 scenes in, land-cover maps out: a Dagster data-asset project.

From Python: `classify` runs a scene, `open_scene` and `open_map` open finished maps (docs/python.md).

Thirteen rooms on eight floors; a room imports only rooms below it (`lc_assets_tests/test_house.py` holds that):

    cluster
    cli
    defs
    training  products
    inference  operations  demo
    sentinel2
    store  remote  raster
    core

`lc_assets.definitions` is the code location. Only `operations`, `defs`, `cli` and `cluster` import Dagster.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lc_assets.cli.python import classify
    from lc_assets.products.arrays import open_map, open_scene

__all__ = ["classify", "open_map", "open_scene"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Import a function at its first use, so that `import lc_assets` stays quick."""
    if name == "classify":
        from lc_assets.cli import python as module
    elif name in __all__:
        from lc_assets.products import arrays as module  # type: ignore[no-redef]
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(module, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
