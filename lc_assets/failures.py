"""Where the project's own errors become Dagster failures: one description, retried only when trying again can help."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from dagster import Failure

from lc_assets.errors import LandCoverError


@contextmanager
def told() -> Iterator[None]:
    """Raise a `LandCoverError` of the body as a `Failure` that carries its message."""
    try:
        yield
    except LandCoverError as error:
        raise Failure(
            description=str(error),
            metadata={
                "problem": error.problem,
                "remedy": error.remedy,
                **({"item": error.item} if error.item else {}),
                **({"asset": error.asset} if error.asset else {}),
            },
            allow_retries=error.transient,
        ) from None
