"""Decode one drop, whatever its dialect, into a staged Parquet file of typed rows."""

import os

# Arrow's own allocator claims a gigabyte of address space at once, and keeps what was freed: a
# stream runs for months beside others. Arrow looks at this when it allocates for the first time.
os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")

from streaming.decode.drop import DecodedDrop, decode_drop
from streaming.decode.staging import Origin

DECODER_VERSION = 2
"""Of the rules by which a drop is decoded: one more with each change by which the same bytes give
other rows. A drop's account has it."""

__all__ = ["DECODER_VERSION", "DecodedDrop", "Origin", "decode_drop"]
