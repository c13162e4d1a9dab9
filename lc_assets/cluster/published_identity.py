"""The code and the model that the cluster uses: those of the coordinator.

The sensor `cluster_watch` in the coordinator's code location publishes them in Dagster's database. Workers compare
their own code and model with them.
"""

from __future__ import annotations

import functools
import json
from contextlib import suppress

from dagster import DagsterInstance

from lc_assets.core.errors import BadModel
from lc_assets.core.settings import Settings
from lc_assets.inference.loading import read_contract
from lc_assets.operations.identity import CODE_TAG, MODEL_TAG, code_identity

_KEY = "lc_assets/pins"


@functools.cache
def identity_tags() -> dict[str, str]:
    """Return the run tags for the code and the model of this process.

    The tag of the model is missing if the model cannot be read.
    """
    pins = {CODE_TAG: code_identity()}
    with suppress(BadModel):  # a run that uses the model raises this error
        pins[MODEL_TAG] = read_contract(Settings.from_environment().model)[0].fingerprint
    return pins


def publish(instance: DagsterInstance) -> bool:
    """Publish the tags of this process as those of the cluster. Return True if they changed."""
    if published(instance) == identity_tags():
        return False
    instance.run_storage.set_cursor_values({_KEY: json.dumps(identity_tags())})
    return True


def published(instance: DagsterInstance) -> dict[str, str]:
    """Return the published tags of the cluster; empty if no coordinator has published any."""
    return json.loads(instance.run_storage.get_cursor_values({_KEY}).get(_KEY, "{}"))
