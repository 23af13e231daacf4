"""What every part shares: settings, session, contract, tables, errors, file system."""
