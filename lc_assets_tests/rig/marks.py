"""Marks of cases: `make test` runs a few cases of each claim, and `make test-slow` the further ones."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import pytest


def further(*cases: Any) -> list[Any]:
    """Return cases of a parametrised test for `make test-slow`. A case of several values is a tuple."""
    return [_case(case, slow=True) for case in cases]


def named(cases: dict[str, Any], quick: Collection[str]) -> list[Any]:
    """Return named cases of a parametrised test; `make test` runs those of `quick` only.

    Raises:
        KeyError: a name of `quick` is not among the cases.
    """
    for name in quick:
        cases[name]
    return [_case(case, slow=name not in quick, name=name) for name, case in cases.items()]


def _case(case: Any, *, slow: bool, name: str | None = None) -> Any:
    values = case if isinstance(case, tuple) else (case,)
    return pytest.param(*values, id=name, marks=pytest.mark.slow if slow else ())
