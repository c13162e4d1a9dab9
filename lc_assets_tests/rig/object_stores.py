"""Object stores on loopback, set up for a test."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from lc_assets.store import object_store
from lc_assets_tests.rig.command import environment_restored
from loopback.object_stores import S3
from loopback.programs import Missing


@contextlib.contextmanager
def reached(environment: Mapping[str, str], scratch: Path) -> Iterator[None]:
    """An object store's variables are set, and all that clients then set and keep for the process is undone."""
    with environment_restored():
        os.environ.update(environment, LC_ASSETS_SCRATCH=str(scratch))
        try:
            yield
        finally:
            object_store._connect.cache_clear()
            object_store._gdal_variables.clear()


@contextlib.contextmanager
def s3_store(scratch: Path) -> Iterator[S3]:
    """moto's server, reached; the test skips where it is missing."""
    try:
        server = S3()
    except Missing as missing:
        pytest.skip(str(missing))
    with contextlib.closing(server), reached(server.environment, scratch):
        yield server
