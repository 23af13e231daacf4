"""Do the tables say what the drops say: recomputed, compared, and put right."""
