"""Numbers, percentages and JSON texts are recognised."""

from __future__ import annotations

import math
from typing import Any

import pytest

from lc_assets.core.json_values import is_number, is_percentage, parse_json


@pytest.mark.parametrize("value", [0, -1, 2.5, 10**300, 100])
def test_finite_numbers_are_numbers(value: Any) -> None:
    assert is_number(value)
    assert is_percentage(value) == (0 <= value <= 100)


@pytest.mark.parametrize("value", [True, None, "1", [1], math.nan, math.inf, 10**400])
def test_other_values_are_not_numbers(value: Any) -> None:
    assert not is_number(value)
    assert not is_percentage(value)


@pytest.mark.parametrize("text", ["", "{", b"\xff", "[nan]"])
def test_invalid_json_is_an_error(text: str | bytes) -> None:
    with pytest.raises(ValueError):
        parse_json(text)


def test_nan_and_infinity_become_none() -> None:
    assert parse_json('{"a": [NaN, 1, Infinity], "b": -Infinity}') == {"a": [None, 1, None], "b": None}
