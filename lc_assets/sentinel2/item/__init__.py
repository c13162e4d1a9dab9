"""What an item's document says: its bands, baseline, footprint, and who provides it."""
