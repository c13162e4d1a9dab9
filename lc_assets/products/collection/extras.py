"""Imports rustac, DuckDB and shapely when they are needed. `pip install .[cluster]` installs them."""

from __future__ import annotations

import importlib
from typing import Any

from lc_assets.core.errors import LandCoverError


def optional_import(name: str) -> Any:
    """Return the module `rustac`, `duckdb` or `shapely`.

    Raises:
        LandCoverError: the module is not installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise LandCoverError(
            f"the collection needs {name} ({error})", remedy="install the extra: pip install '.[cluster]'"
        ) from None


def check_tools() -> None:
    """Check that all three modules are installed.

    Raises:
        LandCoverError: one of them is not installed.
    """
    for name in ("rustac", "duckdb", "shapely"):
        optional_import(name)
