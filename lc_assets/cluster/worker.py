"""The app of a worker: `celery -A lc_assets.cluster.worker worker --concurrency 1 --hostname w1@%h`.

The main process imports the code location, so that its child processes start quickly. A worker exits if its code or
model differs from the cluster's, or if a setting is wrong.
"""

from __future__ import annotations

import logging
import socket
import sys
from typing import Any

from celery import Celery
from celery.signals import worker_init
from dagster import DagsterInstance

from lc_assets.cluster.app import celery_app
from lc_assets.cluster.published_identity import identity_tags, published
from lc_assets.cluster.tasks import add_task
from lc_assets.core.errors import LandCoverError

EXIT_CONFIG = 78
"""Exit status for wrong settings, and for code or a model that differs from the cluster's (EX_CONFIG of sysexits.h)."""


def _make_app() -> Celery:
    try:
        import lc_assets.cluster.definitions  # noqa: F401 - reads the settings

        app = celery_app()
    except LandCoverError as fault:
        # Celery imports this module before it sets up its log.
        print(f"this worker cannot start: {fault}", file=sys.stderr)
        raise SystemExit(EXIT_CONFIG) from None
    add_task(app)
    return app


app = _make_app()


@worker_init.connect
def _exit_if_different(sender: Any, **_: Any) -> None:
    with DagsterInstance.get() as instance:
        cluster = published(instance)
    own = identity_tags()
    differences = [
        f"{key} {value}, here {own.get(key, 'none')}" for key, value in cluster.items() if own.get(key) != value
    ]
    if differences:
        logging.getLogger(__name__).critical(
            "worker %s on %s does not fit the cluster, which works with %s -> install the same version, set the same "
            "LC_ASSETS_MODEL (or correct and restart the coordinator, if the coordinator is out of date)",
            sender,
            socket.gethostname(),
            "; ".join(differences),
        )
        raise SystemExit(EXIT_CONFIG)
