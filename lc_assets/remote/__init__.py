"""The only package that opens network connections: HTTP, retries, signing, downloads, STAC APIs.

Modules here know nothing about Sentinel-2.
"""
