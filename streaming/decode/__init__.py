"""Decode one drop, whatever its dialect, into a staged Parquet file of texts."""

from streaming.decode.drop import DecodedDrop, decode_drop

__all__ = ["DecodedDrop", "decode_drop"]
