"""What every room may import, and what imports none: errors, settings, the classes, STAC's vocabulary, the machine."""
