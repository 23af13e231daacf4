"""Where the benchmarks keep what they make; all of it may be removed at any time."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BUILD = ROOT / "build" / "bench"
DATA = BUILD / "data"
LAKES = BUILD / "lakes"
LOGS = BUILD / "logs"
SANDBOX = BUILD / "sandbox"
RESULTS = ROOT / "var" / "bench" / "results.json"
REPORT = ROOT / "docs" / "performance.md"
