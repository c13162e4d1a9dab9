"""The app of a worker: `celery -A lc_assets.cluster.worker worker --concurrency 1 --hostname w1@%h`.

The main process imports the code location, so its child processes start at once. The worker does not join a cluster
that uses other code or another model. It does not start with settings that are not valid.
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
from lc_assets.cluster.published_identity import own_pins, published
from lc_assets.cluster.tasks import add_task
from lc_assets.core.errors import LandCoverError

REFUSED = 78
"""Exit status of a worker with other code or another model than the cluster, or with wrong settings (EX_CONFIG of
sysexits.h)."""


def _made() -> Celery:
    try:
        import lc_assets.cluster.definitions  # noqa: F401 - reads the settings

        made = celery_app()
    except LandCoverError as fault:
        # Celery imports this module before it sets up its log.
        print(f"this worker cannot start: {fault}", file=sys.stderr)
        raise SystemExit(REFUSED) from None
    add_task(made)
    return made


app = _made()


@worker_init.connect
def _fit_in(sender: Any, **_: Any) -> None:
    with DagsterInstance.get() as instance:
        meant = published(instance)
    mine = own_pins()
    wrong = [f"{key} {value}, here {mine.get(key, 'none')}" for key, value in meant.items() if mine.get(key) != value]
    if wrong:
        logging.getLogger(__name__).critical(
            "worker %s on %s does not fit the cluster, which works with %s -> install the same version, set the same "
            "LC_ASSETS_MODEL (or, if it is the coordinator that is behind, correct and restart that one)",
            sender,
            socket.gethostname(),
            "; ".join(wrong),
        )
        raise SystemExit(REFUSED)
