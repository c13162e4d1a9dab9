"""Find items: references that a user names, STAC catalogs, search queries, and the items registered in the store."""
