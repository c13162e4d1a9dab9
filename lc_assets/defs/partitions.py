"""One partition = one STAC item: its key is the item's id. Keys are added by `lc-assets register` and `classify`."""

from dagster import DynamicPartitionsDefinition

SCENES = "scenes"
scenes = DynamicPartitionsDefinition(name=SCENES)
