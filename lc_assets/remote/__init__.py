"""The only room that opens a connection: HTTP, retries, signing, downloads, STAC APIs. It knows no Sentinel-2."""
