"""`lc-assets watch`: the file that it writes, and what it shows."""

from __future__ import annotations

from pathlib import Path

import pytest

from lc_assets.core.settings import Settings
from lc_assets.defs.build import build_definitions
from lc_assets.operations.watch import WatchConfig
from lc_assets_tests.rig.command import invoke


@pytest.fixture
def file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    path = tmp_path / "watch.yaml"
    monkeypatch.setenv("LC_ASSETS_WATCH", str(path))
    return path


def test_it_writes_a_valid_file_once_and_then_shows_what_is_watched(file: Path) -> None:
    assert "lc-assets watch --init" in invoke("watch", code=1).stderr
    assert str(file) in invoke("watch", "--init").stdout
    assert WatchConfig.read(file) == WatchConfig(tiles=("32ULC",)), "the values that are not comments are the defaults"
    for line in (line for line in file.read_text().splitlines() if line.startswith("# ") and ": " in line[:14]):
        name = line.split()[1].rstrip(":")
        assert name in {field.alias or key for key, field in WatchConfig.model_fields.items()}
    shown = invoke("watch").stdout
    assert "tiles 32ULC; " in shown and "every 10 minutes" in shown
    file.write_text("tiles: [33UUB]\n")
    assert f"{file} exists" in invoke("watch", "--init", code=1).stderr
    assert file.read_text() == "tiles: [33UUB]\n"


def test_it_names_the_season_map_and_what_is_wrong_with_it(file: Path) -> None:
    def shown(content: str, code: int = 0) -> str:
        file.write_text(content)
        result = invoke("watch", code=code)
        return result.stdout + result.stderr

    area = "bbox: [13.2, 55.4, 13.6, 55.7]\nfrom: 2024-05-01\n"
    assert "season map scania: scenes of 2024-05-01/..\n" in shown(f"{area}map: scania\n")
    limited = f"{area}to: 2024-09-30\nmax_cloud: 40\nmap: scania\n"
    assert "scenes of 2024-05-01/2024-09-30 with at most 40 % cloud" in shown(limited)
    wrong = {
        "bbox: [13.2, 55.4, 13.6, 55.7]\nmap: scania\n": "has no first day",
        "tiles: [32ULB]\nfrom: 2024-05-01\nmap: scania\n": "has no area",
        f"{area}map: a--b\n": "contains '--'",
        f"{area}map: ../up\n": "not a valid name of a map",
        "bbox: [-10, 40, 30, 60]\nfrom: 2024-05-01\nmap: europe\n": "km long",
    }
    for content, why in wrong.items():
        assert why in shown(content, code=1)


def test_the_watch_file_sets_the_interval_of_the_sensor(file: Path, tmp_path: Path) -> None:
    def seconds() -> int | None:
        definitions = build_definitions(Settings(store=tmp_path, watch=file))
        return definitions.get_sensor_def("new_sentinel2_items").minimum_interval_seconds

    assert seconds() == 600, "there is no file"
    file.write_text("tiles: [33UUB]\nevery_minutes: 60\n")
    assert seconds() == 3600
    hourly = WatchConfig.read(file).digest
    file.write_text("tiles: [33UUB]\n")
    assert WatchConfig.read(file).digest == hourly, "another interval starts no new search"
