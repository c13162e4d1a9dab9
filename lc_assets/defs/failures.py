"""Turns the project's own errors into Dagster failures: one description, and a retry only if it can help."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from dagster import Failure, RetryRequested

from lc_assets.core.errors import LandCoverError

RETRIES = 1
RETRY_SECONDS = 10
"""Downloads have their own retries. This one is for a service that is unavailable for about a minute."""


TRANSIENT = "transient"
"""Key of the failure metadata: true if a retry may help without any change by a person."""


@contextmanager
def raise_as_dagster_failure(*, retry_number: int | None = None) -> Iterator[None]:
    """Raise a `LandCoverError` of the body as a Dagster `Failure` with the same message.

    Args:
        retry_number: how often the step has been repeated so far; it is repeated up to `RETRIES` times if the error is
            transient. None: never. (A `RetryPolicy` on the asset would do the same, but it also repeats a step that a
            user interrupted. And Dagster must not be asked for one retry too many: the run would then show "Exceeded
            max_retries" and a stack trace before the message.)

    Raises:
        Failure: the body raised a `LandCoverError`.
        RetryRequested: the error is transient and the step may be repeated.
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
        if error.transient and retry_number is not None and retry_number < RETRIES:
            raise RetryRequested(RETRIES, RETRY_SECONDS) from failure
        raise failure from None
