"""A window slides over a stack: where windows lie, how they are evaluated strip by strip, how they vote."""
