"""Where the project's own errors become Dagster failures: one description, retried only when trying again can help."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from dagster import Failure, RetryRequested

from lc_assets.core.errors import LandCoverError

RETRIES = 1
RETRY_SECONDS = 10
"""What is fetched has been patient already: this is for a service that is away for a minute."""


TRANSIENT = "transient"
"""Failure metadata: trying again may help, without anybody's doing."""


@contextmanager
def raise_as_dagster_failure(*, again: bool = False) -> Iterator[None]:
    """Raise a `LandCoverError` of the body as a `Failure` that carries its message.

    Args:
        again: run the step once more where the error says that this can help. (A `RetryPolicy` on the asset would do
            the same, but it also runs a step again that somebody has interrupted.)
    """
    try:
        yield
    except LandCoverError as error:
        failure = Failure(
            description=str(error),
            metadata={
                "problem": error.problem,
                "remedy": error.remedy,
                TRANSIENT: error.transient,
                **({"item": error.item} if error.item else {}),
                **({"asset": error.asset} if error.asset else {}),
            },
            allow_retries=error.transient,
        )
        if again and error.transient:
            raise RetryRequested(RETRIES, RETRY_SECONDS) from failure
        raise failure from None
