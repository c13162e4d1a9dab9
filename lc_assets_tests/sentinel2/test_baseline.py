"""Which processing baseline an item is of: real items with one property, name or number changed."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from lc_assets.core.errors import BadItem
from lc_assets.sentinel2.acquisition import is_newer_version
from lc_assets.sentinel2.band_table import BAND_NAMES
from lc_assets.sentinel2.item.baseline import baseline_of
from lc_assets.sentinel2.item.catalog_conventions import EARTH_SEARCH, PLANETARY_COMPUTER, catalog_of
from lc_assets.sentinel2.item.scene import Scene, parse_scene, read_document
from lc_assets_tests.sentinel2.earth_search_items import HARMONISED, earth_search_item

BASELINE, URI, TAKE = "s2:processing_baseline", "s2:product_uri", "s2:datatake_id"
APPLIED = "earthsearch:boa_offset_applied"


def name(baseline: str) -> str:
    return f"S2A_MSIL2A_20240820T173901_{baseline}_R098_T13TDE_20240821T000250.SAFE"


def item(item_id: str = "scene", **properties: Any) -> dict[str, Any]:
    """An item with these properties alone; `__` in a keyword stands for the colon."""
    return {"id": item_id, "properties": {key.replace("__", ":"): value for key, value in properties.items()}}


@pytest.fixture
def real(shared: Path) -> dict[str, Any]:
    """A real item of baseline 05.11."""
    return read_document(shared / "pc_items/items/S2A_MSIL2A_20240820T173901_R098_T13TDE_20240821T000250.json")


def changed(document: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """A copy without any baseline in names and properties but these; `__` stands for the colon."""
    new = copy.deepcopy(document)
    for key in (BASELINE, URI, "s2:granule_id"):
        del new["properties"][key]
    for key in (TAKE, "s2:datastrip_id"):
        new["properties"][key] = new["properties"][key].removesuffix("_N05.11")
    new["properties"] |= {key.replace("__", ":"): value for key, value in changes.items()}
    return new


def with_bands(document: dict[str, Any], offset: float) -> dict[str, Any]:
    """A copy whose twelve bands declare scale and offset."""
    new = copy.deepcopy(document)
    for band in BAND_NAMES:
        new["assets"][band]["raster:bands"] = [{"scale": 0.0001, "offset": offset}]
    return new


def parsed(document: dict[str, Any]) -> Scene:
    return parse_scene(document, base="https://example.org/item.json")


@pytest.mark.parametrize(
    ("stated", "read"),
    [
        *(("05.11", "05.11"), ("0511", "05.11"), (" 05.11 ", "05.11"), ("N05.11", "05.11"), ("N0511", "05.11")),
        *(("5.11", "05.11"), ("4.0", "04.00"), ("00.01", "00.01"), ("06.00", "06.00"), ("12.34", "12.34")),
        # A JSON number has lost its zeros, not its decimals.
        *((5.11, "05.11"), (5.1, "05.10"), (5.01, "05.01"), (4, "04.00"), (4.0, "04.00"), (2.14, "02.14")),
        # May be 05.01 or 05.10; has three decimals; is a year, or none at all.
        *(("5.1", "unknown"), (5.115, "unknown"), ("2024", "unknown"), (2024, "unknown"), (511, "unknown")),
        *(("", "unknown"), (None, "unknown"), (True, "unknown"), ([5, 11], "unknown"), (float("nan"), "unknown")),
        *((-5.11, "unknown"), (10**400, "unknown"), ("05.11.00", "unknown"), ("n/a", "unknown")),
        # Sen2Cor outside ESA, the Copernicus Data Space's own products, an empty field.
        *(("99.99", "unknown"), (99.99, "unknown"), ("99.33", "unknown"), ("00.00", "unknown"), (0, "unknown")),
    ],
)
def test_a_stated_baseline_is_read_in_every_notation_and_a_number_of_nobodys_is_none(stated: Any, read: str) -> None:
    assert baseline_of(item(s2__processing_baseline=stated)).text == read


@pytest.mark.parametrize(
    ("document", "read"),
    [
        (item(s2__product_uri=name("N0510")), "05.10"),
        (item(s2__product_uri=name("N05.10")), "05.10"),
        (item(name("N0510").removesuffix(".SAFE")), "05.10"),
        (item("my_N0510_scene"), "unknown"),
        (item(name("N9999").removesuffix(".SAFE")), "unknown"),
        (item(s2__product_uri=name("N9999")), "unknown"),
        (item(s2__product_uri=name("N0000")), "unknown"),
        (item(sentinel__processing_baseline="04.00"), "04.00"),
        # What cannot be read leaves the word to the name; a number that is none of ESA's does not.
        (item(s2__processing_baseline="5.1", s2__product_uri=name("N0510")), "05.10"),
        (item(s2__processing_baseline=None, s2__product_uri=name("N0510")), "05.10"),
        (item(s2__processing_baseline="99.99", s2__product_uri=name("N0510")), "unknown"),
        # A person's answer to a name that says nothing.
        (item(s2__processing_baseline="02.14", s2__product_uri=name("N9999")), "02.14"),
        # A product can keep the ids of the strip that it was made from.
        (item(s2__datatake_id="GS2A_20240820T173901_047857_N05.11"), "unknown"),
        (item(s2__product_uri=name("N9999"), s2__datatake_id="GS2A_20240820T173901_047857_N05.11"), "unknown"),
        ({}, "unknown"),
        ({"id": None, "properties": [1]}, "unknown"),
    ],
)
def test_a_name_tells_where_nothing_is_stated(document: dict[str, Any], read: str) -> None:
    assert baseline_of(document).text == read


@pytest.mark.parametrize(
    ("version", "uri", "read"),
    [
        ("2.11", name("N0509"), "05.09"),
        ("02.11.00", name("N0509"), "05.09"),
        ("05.09", name("N0509"), "05.09"),
        ("05.12", "", "05.12"),
        *(("2.11", "", "unknown"), ("5.11", "", "unknown"), (5.11, "", "unknown"), ("0511", "", "unknown")),
        *(("99.99", name("N0509"), "unknown"), ("02.11", name("N0509"), "unknown")),
    ],
)
def test_a_processors_version_is_no_baseline(version: Any, uri: str, read: str) -> None:
    assert baseline_of(item(processing__version=version, s2__product_uri=uri)).text == read


def test_a_processors_version_does_not_count_beside_a_stated_baseline() -> None:
    found = baseline_of(item(s2__processing_baseline="05.11", processing__version="02.12"))
    assert (found.text, found.is_certain) == ("05.11", True)


@pytest.mark.parametrize("key", [URI, TAKE, "s2:datastrip_id", "s2:granule_id", "s2:tile_id"])
def test_a_contradiction_counts_where_the_offsets_differ(key: str) -> None:
    def against(other: str) -> Any:
        written = name(f"N{other.replace('.', '')}") if key == URI else f"S2A_SOMETHING_N{other}"
        return baseline_of({"properties": {BASELINE: "05.10", key: written}})

    same, alike, differs = against("05.10"), against("05.11"), against("02.14")
    assert (same.text, same.is_certain) == ("05.10", True)
    assert (alike.text, alike.has_offset, alike.is_certain) == ("05.10", True, False)
    assert (differs.text, differs.has_offset, differs.is_certain) == ("unknown", None, False)
    assert f"05.10 by its {BASELINE} but 02.14 by its {key}" in differs.doubt


NOTHING_SAID = {
    "99.99": ({"s2__processing_baseline": "99.99", "s2__product_uri": name("N9999")}, "99.99, which is none of ESA's"),
    "N9999 alone": ({"s2__product_uri": name("N9999")}, "s2:product_uri names the processing baseline 99.99"),
    "00.00": ({"s2__processing_baseline": "00.00"}, "00.00, which is none of ESA's"),
    "nothing": ({}, "the processing baseline is not given"),
    "a version": ({"processing__version": "2.11"}, "the processing baseline is not given"),
    "contradiction": ({"s2__processing_baseline": "02.14", "s2__product_uri": name("N0511")}, "02.14 by its s2:proc"),
}


@pytest.mark.parametrize(("changes", "told"), NOTHING_SAID.values(), ids=NOTHING_SAID)
def test_without_a_baseline_the_declared_offset_decides_and_else_the_scene_is_refused(
    real: dict[str, Any], changes: dict[str, Any], told: str
) -> None:
    document = changed(real, **changes)
    with pytest.raises(BadItem) as caught:
        parsed(document)
    message = str(caught.value)
    assert told in message and f"item {real['id']}: " in message
    for way in ("s2:processing_baseline", "raster:bands", "bands", APPLIED):
        assert f'"{way}"' in message.split("->")[1]
    assert (parsed(with_bands(document, -0.1)).offset, parsed(with_bands(document, 0)).offset) == (-1000, 0)
    # The flag wins over what the bands still declare; that it is false does not say whether there was an offset.
    applied, unapplied = changed(real, **changes), changed(real, **changes)
    applied["properties"][APPLIED], unapplied["properties"][APPLIED] = True, False
    assert parsed(applied).offset == parsed(with_bands(applied, -0.1)).offset == 0
    assert parsed(with_bands(unapplied, -0.1)).offset == -1000
    with pytest.raises(BadItem, match="cannot be known"):
        parsed(unapplied)
    assert parsed(applied).baseline == parsed(with_bands(document, 0)).baseline == "unknown"


def test_what_the_message_asks_for_is_enough(real: dict[str, Any]) -> None:
    reprocessed = changed(real, s2__processing_baseline="99.99", s2__product_uri=name("N9999"))
    for baseline, offset in (("05.11", -1000), ("02.14", 0)):
        reprocessed["properties"][BASELINE] = baseline
        assert (parsed(reprocessed).baseline, parsed(reprocessed).offset) == (baseline, offset)


def test_where_an_archive_mixes_both_kinds_of_pixels_its_bands_do_not_stand_for_a_baseline(
    real: dict[str, Any],
) -> None:
    mixed = earth_search_item(HARMONISED, baseline="99.99", flag=None, offset=-0.1)
    with pytest.raises(BadItem, match="in this archive is wrong for many scenes"):
        parsed(mixed)
    mixed["properties"][APPLIED] = True
    assert parsed(mixed).offset == 0


def test_an_archive_is_known_by_its_files_whatever_the_catalog_calls_the_bands() -> None:
    older = earth_search_item(HARMONISED, baseline="04.00", flag=False, offset=None)
    older["assets"] = {band: older["assets"][key] for key, band in EARTH_SEARCH.assets.items()}
    assert catalog_of(older) is PLANETARY_COMPUTER, "the retired API had the bands' own names as keys"
    with pytest.raises(BadItem, match="in this archive is wrong for many scenes"):
        parsed(older)


def test_a_baseline_that_is_not_certain_is_never_newer(real: dict[str, Any]) -> None:
    def made(hour: str, **changes: Any) -> dict[str, Any]:
        return changed(real, s2__generation_time=f"2024-08-{hour}:00:00Z", **changes)

    esa = made("21T00", s2__processing_baseline="05.11", s2__product_uri=name("N0511"))
    later = made("22T00", s2__processing_baseline="05.12", s2__product_uri=name("N0512"))
    assert is_newer_version(later, esa) and not is_newer_version(esa, later)
    for changes in (
        {"s2__processing_baseline": "99.99", "s2__product_uri": name("N9999")},
        {"s2__processing_baseline": "06.00", "s2__product_uri": name("N0512")},
        {"s2__processing_baseline": "06.00", "s2__product_uri": name("N9999")},
        {"s2__processing_baseline": "06.00", "s2__datatake_id": "GS2A_20240820T173901_047857_N05.11"},
        {"processing__version": "6.11"},
    ):
        doubtful = made("20T00", **changes), made("23T00", **changes)
        for other in doubtful:
            assert not is_newer_version(other, esa) and not is_newer_version(esa, other)
        assert not is_newer_version(doubtful[1], doubtful[0])
