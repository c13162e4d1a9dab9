"""rustac, DuckDB and shapely, which `pip install .[cluster]` brings: imported when they are wanted."""

from __future__ import annotations

import importlib
from typing import Any

from lc_assets.core.errors import LandCoverError


def optional_import(name: str) -> Any:
    """The module `rustac`, `duckdb` or `shapely`.

    Raises:
        LandCoverError: it is not installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise LandCoverError(
            f"the collection needs {name} ({error})", remedy="install the extra: pip install '.[cluster]'"
        ) from None


def check_tools() -> None:
    """See that all of them are there.

    Raises:
        LandCoverError: one is not installed.
    """
    for name in ("rustac", "duckdb", "shapely"):
        optional_import(name)
