"""Format tables and percentages for a card and for Dagster."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np


def table(head: tuple[str, ...], rows: Sequence[tuple[Any, ...]]) -> str:
    """Return a Markdown table. A cell with None is empty."""
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join("" if cell is None else str(cell) for cell in line) + " |" for line in lines)


def rows_table(rows: Sequence[dict[str, Any]]) -> str:
    """Return a Markdown table of dicts with the same keys. Floats are percentages."""
    lines = [tuple(f"{cell:.1f} %" if isinstance(cell, float) else cell for cell in row.values()) for row in rows]
    return table(tuple(rows[0]), lines)


def percent(share: float | None) -> str:
    """Return a share (0..1) in percent with one decimal; "" if it is undefined."""
    return "" if share is None or not np.isfinite(share) else f"{100 * share:.1f} %"


def rounded_percent(share: float | None) -> float | None:
    """Return a share (0..1) in percent with one decimal; None if it is undefined."""
    return None if share is None or not np.isfinite(share) else round(100 * float(share), 1)
