"""Items that are too large or too deep, and texts that would steer the terminal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lc_assets.core.errors import BadItem
from lc_assets.sentinel2.item import declared, limits
from lc_assets.sentinel2.item.scene import parse_scene, read_document
from lc_assets_tests.sentinel2.hostile_items import ORIGIN, item_with, refused


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


def test_an_item_of_a_thousand_assets_and_more_is_refused() -> None:
    document = item_with()
    document["assets"] |= {f"a{n}": {"href": f"https://example.org/{n}"} for n in range(limits.MAX_ASSETS)}
    assert "assets, more than 1000" in refused(document)


@pytest.mark.parametrize("depth", [limits.MAX_DEPTH, 900, 100_000])
def test_a_deeply_nested_item_is_refused_and_exhausts_no_stack(depth: int) -> None:
    document = item_with()
    document["properties"]["deep"] = nested(depth)
    try:
        assert "nested deeper than 64 levels" in refused(document)
    finally:
        value = document["properties"].pop("deep")
        while isinstance(value, list):  # freed level by level
            value = value.pop()


def test_a_file_that_is_nested_deeper_than_python_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "item.json"
    path.write_text("[" * 200_000 + "]" * 200_000)
    with pytest.raises(BadItem, match="is no JSON"):
        read_document(path)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"description": "x" * 2_000_000}, "2000000 characters"),
        ({"k" * 1_000: 1}, "keys has 1000 characters"),
        ({"many": [0] * limits.MAX_VALUES}, "more than 250000 values"),
        ({"infinite": float("inf")}, "the number inf"),
        ({"huge": 10**400}, "20 digits or more"),
    ],
)
def test_a_bloated_property_is_refused(change: dict[str, Any], told: str) -> None:
    document = item_with()
    document["properties"] |= change
    assert told in (message := refused(document)) and len(message) < 1_000


def test_a_coordinate_of_400_digits_is_refused() -> None:
    assert "20 digits" in refused(item_with(bbox=[-(10**400), 0, 1, 1]))


def test_a_geometry_of_ten_thousand_points_and_more_is_refused() -> None:
    ring = [[12 + n / 1e6, 52.0] for n in range(limits.MAX_POINTS)]
    geometry = {"type": "Polygon", "coordinates": [[*ring, ring[0]]]}
    assert "points, more than 10000" in refused(item_with(geometry=geometry))


@pytest.mark.parametrize("side", [declared.MAX_SIDE + 1, 10**19, 1e300])
def test_a_band_of_a_size_that_no_band_has_is_refused_by_name(side: float) -> None:
    document = item_with()
    document["assets"]["red"]["proj:shape"] = [side, 1]
    assert "asset B04: its proj:shape" in refused(document)


def test_real_and_demo_items_are_far_below_every_limit(shared: Path, demo_item: Path) -> None:
    paths = [demo_item, *sorted(shared.glob("pc_items/items/*.json"))]
    assert len(paths) > 1
    for path in paths:
        text = path.read_text()
        document = json.loads(text)
        assert len(document["assets"]) * 10 < limits.MAX_ASSETS
        assert text.count(",") * 10 < limits.MAX_VALUES
        limits.check_size(document)


@pytest.mark.parametrize(
    "change",
    [
        lambda d, text: d["properties"].update({"datetime": text}),
        lambda d, text: d["properties"].update({"platform": text, "constellation": text}),
        lambda d, text: d["properties"].update({"earthsearch:boa_offset_applied": text}),
        lambda d, text: d["assets"].pop("red") and d["assets"].update({text: {"href": "x"}}),
        lambda d, text: d["assets"]["red"].update({"href": f"https://10.0.0.1/{text}"}),
        lambda d, text: d["assets"]["red"]["raster:bands"][0].update({"offset": text}),
        lambda d, text: d.update({"type": text}),
    ],
)
def test_no_message_lets_an_item_steer_the_terminal(change: Any) -> None:
    document = item_with()
    change(document, "\x1b]0;owned\x07\x1b[2J\r\u202e")
    message = refused(document)
    assert message.isprintable()
    assert len(message) < 2_000


@pytest.mark.parametrize(
    "change",
    [
        lambda d, text: d["assets"]["red"].update({"file:checksum": text}),
        lambda d, text: d["assets"]["red"].update({"proj:code": text}),
        lambda d, text: d["geometry"].update({"type": text}),
        lambda d, text: d.update({"bbox": text}),
    ],
)
def test_no_note_lets_an_item_steer_the_terminal_or_tells_a_token(change: Any) -> None:
    document = item_with()
    change(document, "\x1b]0;owned\x07\r\u202e https://a.example/b?sig=SECRET")
    [note] = parse_scene(document, base=ORIGIN).notes
    assert note.isprintable()
    assert "SECRET" not in note
    assert len(note) < 300
