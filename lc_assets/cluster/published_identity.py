"""What the coordinator has: which code and which model the cluster is to work with now.

The watch of the coordinator's code location publishes it into Dagster's database; workers hold themselves against it.
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
def own_pins() -> dict[str, str]:
    """The tags that stand for this process's code and model; without the model's where it cannot be read."""
    pins = {CODE_TAG: code_identity()}
    with suppress(BadModel):  # told in full, with its remedy, when a run wants to use it
        pins[MODEL_TAG] = read_contract(Settings.from_environment().model)[0].fingerprint
    return pins


def publish(instance: DagsterInstance) -> bool:
    """Make this process's pins the cluster's; True if they were others before."""
    if published(instance) == own_pins():
        return False
    instance.run_storage.set_cursor_values({_KEY: json.dumps(own_pins())})
    return True


def published(instance: DagsterInstance) -> dict[str, str]:
    """The cluster's pins; empty before a coordinator has ever run."""
    return json.loads(instance.run_storage.get_cursor_values({_KEY}).get(_KEY, "{}"))
