"""The products of a class map: overview, report, STAC documents, collection, agreement with reference maps."""
