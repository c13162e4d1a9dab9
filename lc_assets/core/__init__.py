"""Basics that every other package may import: errors, settings, the class table, STAC vocabulary, progress, CPU count.

Modules here import no other package of `lc_assets`.
"""
