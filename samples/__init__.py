"""Deterministic FLO-like files of any size, for trying, testing and measuring."""

from samples.changes import write_changes_for
from samples.drops import write_drops
from samples.flo100k import write_flo100k
from samples.write import LAYOUTS, layout_names

__all__ = ["LAYOUTS", "layout_names", "write_changes_for", "write_drops", "write_flo100k"]
