"""`lc-assets view`: one scene's report, and pages of an object store."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from lc_assets.cli import view as view_command
from lc_assets.store.layout import ALL_SCENES, SceneLayout
from lc_assets.store.object_path import ObjectPath
from lc_assets.store.paths import parse_path
from lc_assets_tests.cli.gallery_page import View, page_of, widths
from lc_assets_tests.products.pages.gallery_scenes import box, laid
from lc_assets_tests.rig.object_stores import s3_store


def test_view_opens_the_report_of_a_scene_named_in_full_or_in_part(view: View, store: Path) -> None:
    name = "S2B_MSIL2A_20240623T103629_R008_T33UUB_20240623T140000"
    report = store / "scenes" / name / "report.html"
    for wanted in ((name,), ("33UUB",), ("33uub", "2024-06-23"), ("20240623",)):
        assert report.as_uri() in view(*wanted, "--store", store).output
    assert (store / ALL_SCENES).exists(), "the report links to it"
    assert view.opened == [report.as_uri()] * 4  # type: ignore[attr-defined]


def test_view_only_tells_where_the_page_is_if_that_is_wished(view: View, store: Path) -> None:
    assert str(store / ALL_SCENES) in view("--no-open", "--store", store).output
    assert not view.opened  # type: ignore[attr-defined]


def test_a_name_that_fits_several_scenes_or_none_is_told_in_one_line(view: View, store: Path) -> None:
    several = view("32ULC", "--store", store, code=1).output
    assert "fits 3 scenes" in several
    assert all(f"20240{month}21T103629" in several for month in (4, 5, 6))
    none = view("99XXX", "--store", store, code=1).output
    assert "lc-assets search --tile 99XXX" in none
    assert "lc-assets classify" in view("--store", store / "empty", code=1).output
    for said in (several, none):
        assert len(said.strip().splitlines()) == 1


def test_a_scene_without_a_report_tells_how_to_make_one(view: View, scene: SceneLayout, tmp_path: Path) -> None:
    name = laid(scene, tmp_path, "32ULC", date(2024, 6, 21), box(6, 51, 7, 52), report=False)
    assert f"lc-assets classify {name}" in view("32ULC", "--store", tmp_path, code=1).output


def test_view_opens_the_report_of_a_season_map(view: View, tmp_path: Path) -> None:
    report = tmp_path / "maps" / "lake" / "report.html"
    report.parent.mkdir(parents=True)
    assert "lc-assets map --name lake" in view("lake", "--store", tmp_path, code=1).output
    report.touch()
    assert report.as_uri() in view("lake", "--store", tmp_path).output


def test_a_machine_without_a_browser_is_told_the_address(
    view: View, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(view_command.webbrowser, "open", lambda url: False)
    assert "open it yourself" in view("33UUB", "--store", store).output


def test_an_object_store_gets_its_page_and_the_user_a_copy(
    view: View, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, browser: Any
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with s3_store(tmp_path / "scratch") as server:
        root = parse_path(f"{server.url}/{tmp_path.name}")
        assert isinstance(root, ObjectPath)
        for file in (path for path in store.rglob("*") if path.is_file()):
            (root / str(file.relative_to(store))).write_bytes(file.read_bytes())
        said = view("--store", root).output
        assert "without links to the scenes" in said
        assert b"report.html" in (root / ALL_SCENES).read_bytes()
        copy = Path(said.strip().splitlines()[-2])
        assert tmp_path in copy.parents
        with page_of(browser, copy) as page:
            assert page.locator(".card").count() == 4
            assert page.locator("a[href*='report.html']").count() == 0
            assert all(widths(page))
        said = view("33UUB", "--store", root).output
        assert "do not work" in said
        assert "<title>S2B_MSIL2A_20240623" in Path(said.strip().splitlines()[-2]).read_text()
        next(place for place in (root / "scenes").iterdir() if "20240421" in place.name).joinpath(
            "report.html"
        ).unlink()
        assert "has no report yet" in view("20240421", "--store", root, code=1).output
