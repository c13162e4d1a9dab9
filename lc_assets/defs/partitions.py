"""One partition = one STAC item: its key is the item's id. Keys are added by `lc-assets register` and `classify`."""

from dagster import DynamicPartitionsDefinition

from lc_assets.operations.keys import SCENES

scenes = DynamicPartitionsDefinition(name=SCENES)
