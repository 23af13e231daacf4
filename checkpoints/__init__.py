"""Where the stream stands: the drop ledger, recovery, the lock, the batch in hand."""
