"""resampled_stack: by default a virtual raster beside the raw bands, by one setting a real twelve-band COG of the same
pixels."""

from __future__ import annotations

from typing import Any

from lc_assets.defs.io_managers.base import SceneIOManager
from lc_assets.defs.metadata import stack_metadata
from lc_assets.sentinel2.bands.raw_bands import RawBands
from lc_assets.sentinel2.bands.stack import SCL_COG, SCL_VRT, STACK_COG, STACK_VRT, Stack, StackRecipe, vrt_documents
from lc_assets.sentinel2.bands.stack_cog import write_band_cog, write_stack_cog
from lc_assets.store.atomic import atomic_output
from lc_assets.store.layout import SceneLayout
from lc_assets.store.object_path import ObjectPath
from lc_assets.store.paths import gdal_path, list_files


class _StackIOManager(SceneIOManager):
    """Gives a stack back in whichever form it was written last."""

    def read(self, scene: SceneLayout) -> Stack:
        """The stack, ready to be read window by window."""
        folder = scene.resampled_stack
        written = STACK_COG in list_files(folder)
        if not written:
            RawBands.open(scene.raw_bands, scene.item)  # the pixels are there, and still the ones that were fetched
        stack, scl = (STACK_COG, SCL_COG) if written else (STACK_VRT, SCL_VRT)
        return Stack.open(folder / stack, folder / scl, scene.item)

    def _written(self, scene: SceneLayout, value: StackRecipe, *, other_form: tuple[str, ...]) -> dict[str, Any]:
        for name in set(other_form) & list_files(scene.resampled_stack).keys():
            (scene.resampled_stack / name).unlink(missing_ok=True)
        return stack_metadata(self.read(scene), value)


class VirtualStackIOManager(_StackIOManager):
    """Writes the stack as GDAL virtual rasters with relative paths: a few kB, resampled when read."""

    def write(self, scene: SceneLayout, value: StackRecipe) -> dict[str, Any]:
        """Put the documents."""
        with atomic_output(scene.resampled_stack, item=scene.item, asset="resampled_stack", last=STACK_VRT) as stage:
            # GDAL follows `../` on a disk and in S3, not in Azure: there, files go by their full names.
            href = _absolute(value) if isinstance(scene.resampled_stack, ObjectPath) else _relative(value)
            for name, document in vrt_documents(value, href).items():
                (stage / name).write_text(document, encoding="utf-8")
        return self._written(scene, value, other_form=(STACK_COG, SCL_COG))


class CogStackIOManager(_StackIOManager):
    """Writes the stack as a tiled twelve-band COG: larger (about 2 GB a tile), independent of the raw bands."""

    def write(self, scene: SceneLayout, value: StackRecipe) -> dict[str, Any]:
        """Write the virtual stack's pixels, strip by strip, then put the file."""
        with atomic_output(scene.resampled_stack, item=scene.item, asset="resampled_stack", last=STACK_COG) as stage:
            documents = vrt_documents(value, _absolute(value))
            for name, document in documents.items():
                (stage / name).write_text(document, encoding="utf-8")
            write_stack_cog(stage / STACK_COG, value, Stack.open(stage / STACK_VRT, stage / SCL_VRT, scene.item))
            if SCL_VRT in documents:
                write_band_cog(stage / SCL_COG, stage / SCL_VRT)
            for name in documents:
                (stage / name).unlink()
        return self._written(scene, value, other_form=(STACK_VRT, SCL_VRT))


def _absolute(recipe: StackRecipe) -> dict[str, str]:
    """Native files by their full names, wherever they lie."""
    return {name: gdal_path(band.path) for name, band in recipe.bands.items()}


def _relative(recipe: StackRecipe) -> dict[str, str]:
    """Native files as seen from the stack's folder: both lie in the scene's folder."""
    return {name: f"../{band.path.parent.name}/{band.path.name}" for name, band in recipe.bands.items()}
