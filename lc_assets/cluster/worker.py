"""The app of a worker: `celery -A lc_assets.cluster.worker worker --concurrency 1 --hostname w1@%h`.

Its main process imports the code location, so that children begin at once. It refuses to join a cluster that works with
other code or another model.
"""

from __future__ import annotations

import logging
import socket
from typing import Any

from celery.signals import worker_init
from dagster import DagsterInstance

import lc_assets.cluster.definitions  # noqa: F401
from lc_assets.cluster.app import celery_app
from lc_assets.cluster.pins import own_pins, published
from lc_assets.cluster.tasks import add_task

REFUSED = 78
"""Exit status of a worker that does not fit the cluster (EX_CONFIG of sysexits.h)."""

app = celery_app()
add_task(app)


@worker_init.connect
def _fit_in(sender: Any, **_: Any) -> None:
    with DagsterInstance.get() as instance:
        meant = published(instance)
    mine = own_pins()
    wrong = [f"{key} {value}, here {mine.get(key, 'none')}" for key, value in meant.items() if mine.get(key) != value]
    if wrong:
        logging.getLogger(__name__).critical(
            "worker %s on %s does not fit the cluster, which works with %s -> install the same version, set the same "
            "LC_ASSETS_MODEL (or, if it is the coordinator that is behind, mend and restart that one)",
            sender,
            socket.gethostname(),
            "; ".join(wrong),
        )
        raise SystemExit(REFUSED)
