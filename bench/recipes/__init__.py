"""Programs of others' making, as everybody copies them."""
