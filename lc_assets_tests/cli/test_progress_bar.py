"""The bar says from the first second what is being made and for how long, and how fast."""

from __future__ import annotations

from itertools import chain, repeat

import pytest

from lc_assets.cli.progress_bar import ProgressBar
from lc_assets.core.progress import ByteProgress, RowProgress, progress_callbacks


def test_the_bar_names_the_step_and_its_seconds_before_the_step_reports_anything() -> None:
    seconds = 0.0
    bar = ProgressBar(("raw_bands", "class_raster"), visible=False, clock=lambda: seconds)
    seconds = 1.2
    assert bar.line() == "." * 28 + " raw_bands, 1 s"
    bar.finish_step("raw_bands")
    seconds = 36.2
    assert bar.line() == "#" * 14 + "." * 14 + " class_raster, 35 s"
    bar.update(0.25, "25 %")
    assert bar.line() == "#" * 7 + "." * 21 + " class_raster, 35 s: 25 %"
    bar.finish_step("class_raster")
    assert bar.line().startswith("#" * 28 + " done")


def test_the_bar_is_redrawn_while_a_step_reports_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("lc_assets.cli.progress_bar._SECONDS", 0.001)
    with ProgressBar(("one",), visible=True) as bar:
        bar._thread.join(0.1)
    drawn = capsys.readouterr().out.split("\r")
    assert sum("one" in line for line in drawn) > 2
    assert drawn[-2].strip() == ""


def test_a_slow_rate_is_shown_in_thousands_and_never_as_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = chain([0.0], repeat(35.0))
    monkeypatch.setattr("lc_assets.core.progress.time.perf_counter", lambda: next(clock))
    words: list[str] = []
    with progress_callbacks(lambda _, text: words.append(text)):
        RowProgress(1_000).update(700, 1_000)
    clock = chain([0.0], repeat(10.0))
    with progress_callbacks(lambda _, text: words.append(text)):
        ByteProgress(5_000_000).update(50_000)
    assert words == ["70 %, 20 thousand pixels a second, 15 s left", "0 of 5 MB, 5 kB/s"]
