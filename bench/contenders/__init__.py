"""The contenders: each a process of its own that takes orders as lines of JSON."""
