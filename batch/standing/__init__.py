"""How a lake stands, in looks that only read: stream, drops, tables, files, and what to do."""
