"""Imports rustac and DuckDB when they are needed. The extra `collection` installs them (140 MB)."""

from __future__ import annotations

import importlib
import importlib.util
from typing import Any

from lc_assets.core.errors import LandCoverError

_TOOLS = ("rustac", "duckdb")
_REMEDY = "install the extra: pip install 'lc-assets[collection]' (in a checkout: pip install -e '.[collection]')"


def optional_import(name: str) -> Any:
    """Return the module `rustac` or `duckdb`.

    Raises:
        LandCoverError: the module is not installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise LandCoverError(f"the collection needs {name} ({error})", remedy=_REMEDY) from None


def missing_tool() -> str | None:
    """Return the name of a module that is not installed, or None. The modules are not imported."""
    return next((name for name in _TOOLS if importlib.util.find_spec(name) is None), None)


def check_tools() -> None:
    """Check that both modules are installed.

    Raises:
        LandCoverError: one of them is not installed.
    """
    for name in _TOOLS:
        optional_import(name)
