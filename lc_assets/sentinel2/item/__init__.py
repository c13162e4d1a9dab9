"""Read and check a STAC item: its bands, processing baseline, footprint, and the conventions of its provider."""
