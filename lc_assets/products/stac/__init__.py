"""The STAC documents of the project: the Item of a map, its Catalog, the Collection of the store, their validation."""
