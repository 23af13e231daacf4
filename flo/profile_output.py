"""How the first look at a file is printed: sections as tables, one object, or long CSV."""

from __future__ import annotations

from typing import Any

from batch.csv_profile.first_look import KEY, FirstLook
from flo.csv_file import CsvFile
from flo.output import Format, print_rows

_COLUMNS = ("column", "type", "missing", "missing_percent")


def print_profile(file: str, place: str, csv: CsvFile, look: FirstLook, output: Format) -> None:
    """Print a first look.

    A table for each section; as JSON an array of one object that has them all; as CSV one line
    per value, with the section, the item (a row, a column or a group) and the name.
    """
    facts: dict[str, Any] = {
        "file": file,
        "place": place,
        "encoding": csv.encoding,
        "delimiter": csv.delimiter,
        "rows": look.rows,
        "unreadable_rows": csv.bad_rows,
        "columns": len(look.header),
        "master_id_unique": None if look.repeats is None else look.repeats == 0,
        "master_id_repeats": look.repeats,
    }
    if output is Format.TABLE:
        _print_tables(facts, look)
    elif output is Format.JSON:
        record = facts | _sections(look)
        print_rows(tuple(record), [tuple(record.values())], output)
    else:
        print_rows(("section", "item", "name", "value"), _long(facts, look), output)


def _print_tables(facts: dict[str, Any], look: FirstLook) -> None:
    print_rows(look.header, look.first_rows, title="First rows")
    print_rows(("fact", "value"), [(name, _shown(value)) for name, value in facts.items()])
    columns = [(c.name, c.type, c.missing, c.missing_percent) for c in look.columns]
    print_rows(_COLUMNS, columns, title="Columns")
    for name, counts in look.groups.items():
        print_rows((name, "rows"), list(counts.items()), title=f"Rows by {name}")


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return {"\t": "tab", None: f"no column {KEY}"}.get(value, f"{value}")


def _sections(look: FirstLook) -> dict[str, Any]:
    return {
        "first_rows": [dict(_named(look, row)) for row in look.first_rows],
        "column_types": [
            dict(zip(_COLUMNS, (c.name, c.type, c.missing, c.missing_percent), strict=True))
            for c in look.columns
        ],
        **{
            f"by_{name}": [{name: value, "rows": rows} for value, rows in counts.items()]
            for name, counts in look.groups.items()
        },
    }


def _named(look: FirstLook, row: tuple[str | None, ...]) -> list[tuple[str, str | None]]:
    """Pair names and values; a name that comes twice gets its place added."""
    seen: set[str] = set()
    pairs = []
    for at, (name, value) in enumerate(zip(look.header, row, strict=True)):
        own = f"{name} ({at + 1})" if name in seen else name
        seen.add(name)
        pairs.append((own, value))
    return pairs


def _long(facts: dict[str, Any], look: FirstLook) -> list[tuple[Any, ...]]:
    rows: list[tuple[Any, ...]] = [("file", None, name, value) for name, value in facts.items()]
    for number, first in enumerate(look.first_rows, start=1):
        rows += [("first_rows", number, name, value) for name, value in _named(look, first)]
    for column in look.columns:
        rows.append(("columns", column.name, "type", column.type))
        rows.append(("columns", column.name, "missing", column.missing))
        rows.append(("columns", column.name, "missing_percent", column.missing_percent))
    for group, counts in look.groups.items():
        rows += [(f"by_{group}", value, "rows", count) for value, count in counts.items()]
    return rows
