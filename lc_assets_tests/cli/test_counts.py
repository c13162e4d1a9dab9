"""What the commands count."""

from __future__ import annotations

import pytest

from lc_assets.cli.backfill import count_statuses
from lc_assets.operations.status import SceneStatus


@pytest.mark.parametrize(
    ("statuses", "text"),
    [
        ([SceneStatus.FAILED] * 6, "6 scenes: 6 failed before"),
        ([SceneStatus.NEW, SceneStatus.DONE, SceneStatus.DONE], "3 scenes: 1 new, 2 done"),
        ([SceneStatus.STALE], "1 scene: 1 stale"),
        ([], "0 scenes"),
    ],
)
def test_scenes_that_failed_in_earlier_runs_are_not_counted_as_failures_of_the_command(
    statuses: list[SceneStatus], text: str
) -> None:
    assert count_statuses(statuses) == text
