"""Decode one drop, whatever its dialect, into a staged Parquet file of texts."""

import os

# Arrow's own allocator claims a gigabyte of address space at once, and keeps what was freed: a
# stream runs for months beside others. Arrow looks at this when it allocates for the first time.
os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")

from streaming.decode.drop import DecodedDrop, decode_drop

__all__ = ["DecodedDrop", "decode_drop"]
