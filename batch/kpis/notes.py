"""Notes in the commits of the KPI job, which say what a table stands for without a look into it.

A question to a small table takes Spark a fifth of a second and more, and a run would ask four.
"""

from __future__ import annotations

import json
from typing import Any

from lake.reading import Files
from lake.settings import Settings
from lake.tables import table_path

Note = dict[str, Any]
_MARK = "flo_kpis"


def pack_note(note: Note) -> str:
    """Write a note as the user metadata of a commit."""
    return json.dumps({_MARK: note})


def read_note(files: Files, settings: Settings, name: str, version: int) -> Note | None:
    """Read the note of a table's commit; None where that is not one of this job, or is gone.

    Args:
        files: where the tables are.
        settings: the same.
        name: the table.
        version: of the commit.
    """
    text = files.read_text(f"{table_path(settings, name)}/_delta_log/{version:020d}.json")
    for line in (text or "").splitlines():
        if '"commitInfo"' in line:
            return _unpack(json.loads(line)["commitInfo"].get("userMetadata"))
    return None


def _unpack(metadata: str | None) -> Note | None:
    try:
        values = json.loads(metadata or "null")
    except ValueError:
        return None
    note = values.get(_MARK) if isinstance(values, dict) else None
    return note if isinstance(note, dict) else None
