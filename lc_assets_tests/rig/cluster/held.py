"""The code location `lc_assets.cluster.definitions` with a lever: a run waits inside an asset while a file says so.

`touch $LC_ASSETS_HOLD/class_raster`, and every run stops in class_raster: with half of the map written; in the other
assets, before the IO manager writes. A run that waits says so by a file `class_raster-<partition>`.
"""

from __future__ import annotations

import os
import time
from functools import wraps
from pathlib import Path
from typing import Any

from dagster import OutputContext

from lc_assets.cluster.definitions import defs as defs
from lc_assets.core.progress import RowProgress
from lc_assets.defs.io_managers import class_raster
from lc_assets.defs.io_managers.base import SceneIOManager

_CLASSES = "class_raster"
_write = SceneIOManager.handle_output
_now: list[str] = []


def hold(asset: str, partition: str) -> None:
    """Wait while there is a file named after the asset."""
    folder = Path(os.environ["LC_ASSETS_HOLD"])
    here = folder / f"{asset}-{partition}"
    while (folder / asset).exists():
        here.touch()
        time.sleep(0.1)
    here.unlink(missing_ok=True)


@wraps(_write)
def _held(self: SceneIOManager, context: OutputContext, obj: Any) -> None:
    asset = context.asset_key.to_user_string()
    _now[:] = [context.partition_key]
    if asset != _CLASSES:
        hold(asset, context.partition_key)
    _write(self, context, obj)


class _HeldProgress(RowProgress):
    def update(self, *rows: Any, **more: Any) -> Any:
        hold(_CLASSES, _now[0])
        return super().update(*rows, **more)


SceneIOManager.handle_output = _held  # type: ignore[method-assign]
class_raster.RowProgress = _HeldProgress  # type: ignore[misc]
