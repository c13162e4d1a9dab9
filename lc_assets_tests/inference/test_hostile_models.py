"""Models that contain code."""

from __future__ import annotations

from pathlib import Path

import pytest

from lc_assets.core.errors import BadModel
from lc_assets.inference.loading import open_model
from lc_assets_tests.conftest import own_model


def test_a_model_with_code_is_refused_and_the_code_is_not_run(tmp_path: Path) -> None:
    import keras

    marker = tmp_path / "owned"
    code = eval(f"lambda x: (open({str(marker)!r}, 'w').close(), x)[1]")  # a file's name inside the code itself
    network = keras.Sequential(
        [
            keras.Input((64, 64, 1)),
            keras.layers.Lambda(code),
            keras.layers.Flatten(),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )
    path = own_model(tmp_path / "model", ("B02",), 10, network)
    marker.unlink()  # building the network runs the code
    with pytest.raises(BadModel, match=r"cannot be loaded.*deserialization of a `Lambda`"):
        open_model(path)
    assert not marker.exists()
    keras.saving.load_model(path.parent / "model.keras", compile=False, safe_mode=False)
    assert marker.exists()  # without safe mode the code runs
