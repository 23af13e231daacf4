"""Where the stream stands: the drop ledger, the lock, recovery, the Spark checkpoint."""
