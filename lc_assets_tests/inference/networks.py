"""Small networks with positions, one every 4 px."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from lc_assets.sentinel2.band_table import BAND_INDEX, BAND_NAMES
from lc_assets_tests.conftest import own_model, saved


def position_network(side: int = 64, view: int = 16) -> Any:
    """An untrained network whose positions see 16 or 48 px, with the same weights for every side of its input."""
    import keras
    from keras import layers

    keras.utils.set_random_seed(7)
    further = {16: [(2, 2)], 48: [(3, 1), (3, 2), (3, 2)]}[view]  # kernel and dilation
    return keras.Sequential(
        [
            keras.Input((side, side, len(BAND_NAMES))),
            layers.Conv2D(12, 4, 2, activation="relu"),
            layers.Conv2D(12, 3, 2, activation="relu"),
            *(layers.Conv2D(16, kernel, dilation_rate=dilation, activation="relu") for kernel, dilation in further),
            layers.GlobalAveragePooling2D(),
            layers.Dense(10, activation="softmax", kernel_initializer=keras.initializers.RandomNormal(stddev=3)),
        ]
    )


def mean_network(view: int) -> Any:
    """A network that predicts from the mean of B02 over the view: the brighter, the higher the class."""
    import keras
    from keras import layers

    network = keras.Sequential(
        [
            keras.Input((64, 64, len(BAND_NAMES))),
            layers.AveragePooling2D(view, 4),
            layers.GlobalAveragePooling2D(),
            layers.Dense(10, activation="softmax"),
        ]
    )
    network.layers[-1].set_weights(mean_head())
    return network


def mean_head() -> list[np.ndarray]:
    """Kernel and bias of `mean_network`: class k is the most probable around k / 2 - 2 of the network's input."""
    kernel = np.zeros((len(BAND_NAMES), 10), np.float32)
    centres = np.arange(10, dtype=np.float32) / 2 - 2
    kernel[BAND_INDEX["B02"]] = 8 * centres
    return [kernel, -4 * centres**2]


def position_model(folder: Path, network: Any | None = None) -> Path:
    """The two files of a network with positions; returns the MLM item."""
    return own_model(folder, BAND_NAMES, 10, network or _saved_position_network(), positions=True)


@cache
def _saved_position_network() -> bytes:
    return saved(position_network())
