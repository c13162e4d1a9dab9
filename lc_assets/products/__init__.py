"""The products of a finished class map: overview, page, STAC documents, collection, agreement with reference maps."""
