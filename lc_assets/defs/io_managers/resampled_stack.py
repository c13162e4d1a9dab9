"""IO managers of resampled_stack: a virtual raster beside the raw bands (default), or a COG of the same pixels."""

from __future__ import annotations

from lc_assets.core.checksum import sha256_of_values
from lc_assets.core.errors import StoreError
from lc_assets.defs.io_managers.base import SceneIOManager, Written
from lc_assets.defs.metadata import stack_metadata
from lc_assets.sentinel2.bands.raw_bands import RawBands
from lc_assets.sentinel2.bands.stack import SCL_COG, SCL_VRT, STACK_COG, STACK_VRT, Stack, StackRecipe, vrt_documents
from lc_assets.sentinel2.bands.stack_cog import write_band_cog, write_stack_cog
from lc_assets.store.atomic import atomic_output
from lc_assets.store.layout import SceneLayout
from lc_assets.store.object_path import ObjectPath
from lc_assets.store.paths import gdal_path, list_files

_VIRTUAL, _COG = (STACK_VRT, SCL_VRT), (STACK_COG, SCL_COG)
"""The files of both forms: the stack and the scene classification."""


class _StackIOManager(SceneIOManager):
    """Reads a stack in the form in which it was written last."""

    def read(self, scene: SceneLayout) -> Stack:
        """Return the stored stack, which reads its pixels window by window.

        Raises:
            StoreError: the stack, or the raw bands of a virtual stack, are not in the store, or these are of another
                part of the scene.
        """
        folder = scene.resampled_stack
        written = STACK_COG in list_files(folder)
        stack, scl = _COG if written else _VIRTUAL
        if written:
            return Stack.open(folder / stack, folder / scl, scene.item)
        raw = RawBands.open(scene.raw_bands, scene.item)  # raises if the pixels are missing or have changed
        found = Stack.open(folder / stack, folder / scl, scene.item)
        if found.part != str(raw.part or ""):
            raise StoreError(
                "its raw bands are of another part of the scene than its stack",
                item=scene.item,
                asset="resampled_stack",
                remedy="materialise resampled_stack again",
            )
        return found

    def _written(self, scene: SceneLayout, value: StackRecipe, form: tuple[str, str]) -> Written:
        folder, other = scene.resampled_stack, _COG if form == _VIRTUAL else _VIRTUAL
        for name in set(other) & list_files(folder).keys():
            (folder / name).unlink(missing_ok=True)
        stack = Stack.open(folder / form[0], folder / form[1], scene.item)
        # Not of the pixels: they follow from the files and the recipe, and the COG has 2 GB.
        files = RawBands.open(scene.raw_bands, scene.item).checksums
        recipe = vrt_documents(value, {name: name for name in value.bands})
        return Written(stack_metadata(stack, value), sha256_of_values({**files, **recipe, "form": form[0]}))


class VirtualStackIOManager(_StackIOManager):
    """Writes the stack as GDAL virtual rasters (VRT) of a few kB. GDAL resamples the pixels when it reads them."""

    def write(self, scene: SceneLayout, value: StackRecipe) -> Written:
        """Write the VRT documents."""
        with atomic_output(scene.resampled_stack, item=scene.item, asset="resampled_stack", last=STACK_VRT) as stage:
            # GDAL resolves `../` on a disk and in S3, but not in Azure. In object stores the VRT holds full names.
            href = _absolute(value) if isinstance(scene.resampled_stack, ObjectPath) else _relative(value)
            for name, document in vrt_documents(value, href).items():
                (stage / name).write_text(document, encoding="utf-8")
        return self._written(scene, value, _VIRTUAL)


class CogStackIOManager(_StackIOManager):
    """Writes the stack as a tiled twelve-band COG of about 2 GB per tile. It does not need the raw bands any more."""

    def write(self, scene: SceneLayout, value: StackRecipe) -> Written:
        """Write the pixels of the virtual stack as a COG, strip by strip."""
        with atomic_output(scene.resampled_stack, item=scene.item, asset="resampled_stack", last=STACK_COG) as stage:
            documents = vrt_documents(value, _absolute(value))
            for name, document in documents.items():
                (stage / name).write_text(document, encoding="utf-8")
            write_stack_cog(stage / STACK_COG, value, Stack.open(stage / STACK_VRT, stage / SCL_VRT, scene.item))
            if SCL_VRT in documents:
                write_band_cog(stage / SCL_COG, stage / SCL_VRT)
            for name in documents:
                (stage / name).unlink()
        return self._written(scene, value, _COG)


def _absolute(recipe: StackRecipe) -> dict[str, str]:
    """Band -> full GDAL name of its native file."""
    return {name: gdal_path(band.path) for name, band in recipe.bands.items()}


def _relative(recipe: StackRecipe) -> dict[str, str]:
    """Band -> path of its native file relative to the stack's folder. Both folders are in the scene's folder."""
    return {name: f"../{band.path.parent.name}/{band.path.name}" for name, band in recipe.bands.items()}
