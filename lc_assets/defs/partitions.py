"""The partitions. Of a scene: its key is the id of its STAC item. Of a season map: its key is the name of the map.

`lc-assets register`, `classify` and the sensor of new items add scenes; `lc-assets map` and its sensor add maps.
"""

from dagster import DynamicPartitionsDefinition

from lc_assets.operations.keys import SCENES, SEASON_MAPS

scenes = DynamicPartitionsDefinition(name=SCENES)
season_maps = DynamicPartitionsDefinition(name=SEASON_MAPS)
