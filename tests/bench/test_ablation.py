"""What the trial of settings writes down."""

from __future__ import annotations

from pathlib import Path

from bench.ablation import BEGIN, END, Effect, publish


def test_settings_tried_again_take_the_place_of_their_rows(tmp_path: Path) -> None:
    """Each setting has one row, with its times beside those as shipped; the others' rows stay."""
    page = tmp_path / "performance.md"
    page.write_text(f"before\n{BEGIN}\n\nNot measured yet.\n\n{END}\nafter\n")
    publish(page, [Effect("a", "1", (3.0, 4.0), (2.0, 4.0)), Effect("b", "x", (1.0,), (2.0,))], 10)
    publish(page, [Effect("b", "x", (5.0,), (2.0,))], 10)
    text = page.read_text()
    assert text.startswith(f"before\n{BEGIN}\n")
    assert text.endswith(f"{END}\nafter\n")
    assert [line for line in text.splitlines() if line.startswith("| `")] == [
        "| `a` | `1` | 3.00 s, shipped 2.00 s (1.50×) | 4.00 s, shipped 4.00 s (1.00×) |",
        "| `b` | `x` | 5.00 s, shipped 2.00 s (2.50×) | – |",
    ]
    assert "Not measured" not in text
