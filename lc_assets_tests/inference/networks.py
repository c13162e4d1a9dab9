"""A small network with positions: each sees 16 px, one every 4 px."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lc_assets.sentinel2.band_table import BAND_NAMES
from lc_assets_tests.conftest import own_model


def position_network(side: int = 64) -> Any:
    """The untrained network, with the same weights for every side of its input."""
    import keras
    from keras import layers

    keras.utils.set_random_seed(7)
    return keras.Sequential(
        [
            keras.Input((side, side, len(BAND_NAMES))),
            layers.Conv2D(12, 4, 2, activation="relu"),
            layers.Conv2D(12, 3, 2, activation="relu"),
            layers.Conv2D(16, 2, dilation_rate=2, activation="relu"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(10, activation="softmax", kernel_initializer=keras.initializers.RandomNormal(stddev=3)),
        ]
    )


def position_model(folder: Path) -> Path:
    """Its two files; returns the MLM item."""
    return own_model(folder, BAND_NAMES, 10, position_network(), positions=True)
