"""The first look at a CSV file, before it is dropped."""
