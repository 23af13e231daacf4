"""``make scaling``: measure how a batch's time grows, fit it, and write docs/scaling.md."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict

from bench.environments import measuring
from bench.places import RESULTS, ROOT
from bench.results import load as load_results
from bench.say import say
from bench.scaling.measure import SIZES, measure_drops, measure_files, measure_listing
from bench.scaling.model import fit
from bench.scaling.page import write_page
from bench.scaling.pictures import draw_all

PAGE = ROOT / "docs" / "scaling.md"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, keep all points in ``var/bench/scaling.json``, and write the page."""
    parser = argparse.ArgumentParser(prog="python -m bench.scaling", description=__doc__)
    parser.add_argument("--sizes", type=_sizes, default=SIZES, help="customers, three or more")
    parser.add_argument("--repetitions", type=int, default=3, help="batches a point")
    options = parser.parse_args(arguments)
    with measuring():
        drops, stored = measure_drops(options.sizes, options.repetitions)
        files = measure_files(options.repetitions)
        listing = measure_listing()
    model = fit([*drops, *files])
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    kept = {"drops": [asdict(each) for each in drops], "files": [asdict(each) for each in files],
            "listing": listing, "stored": stored, "model": asdict(model)}  # fmt: skip
    RESULTS.with_name("scaling.json").write_text(json.dumps(kept, indent=2) + "\n", "utf-8")
    draw_all(PAGE.parent / "images", drops, files, model)
    write_page(PAGE, drops, files, listing, stored, model, load_results(RESULTS))
    say(f"Fitted: {model}")
    return 0


def _sizes(text: str) -> tuple[int, ...]:
    sizes = tuple(sorted(int(each) for each in text.split(",")))
    if len(sizes) < 3:
        raise argparse.ArgumentTypeError("a line needs three sizes or more")
    return sizes


if __name__ == "__main__":
    sys.exit(main())
