"""SQL questions to the tables, as they are or as they were."""
