"""The measures, one module per group that shares a set-up."""
