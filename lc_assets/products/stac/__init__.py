"""STAC documents that this project writes and reads: the classified item, its catalog, the model's own item, and their
validation."""
