"""What of a header may be told to everybody: the ledger, the log and commits are for all to read.

A header may hold anything, a customer's id where a line end was lost, say. So a cell that is no
column of the contract is told by its place and its length, unless it looks like a column's name.
The rows themselves keep it: ``rescued`` of a snapshot has each cell under the header's own text,
for those tables hold customers' data anyway.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from lake.contract import Contract

_LONGEST = 64
DATA = re.compile(
    r"^(?:[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}"
    r"|[0-9]{1,4}[-/.][0-9]{1,2}[-/.][0-9]{1,4}([T ].*)?"
    r"|[+-]?[0-9][0-9.,]*)$",
    re.IGNORECASE,
)
"""A cell of a row, and no name."""
# No column is named after a customer: where one is, a row has got into the header.
ID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.IGNORECASE)
# Years are columns of many a table.
_YEAR = re.compile(r"^(?:19|20)[0-9]{2}$")
# Words with at most four digits together: two groups of digits in a word, or more, are a key.
_WORD = r"[^\W\d_]*[0-9]{0,4}[^\W\d_]*"
_NAME = re.compile(rf"^(?=[^\W\d]){_WORD}(?:[ _.-]+{_WORD})*$")


def told_names(names: Sequence[str], contract: Contract) -> tuple[str, ...]:
    """Tell a header: by contract name, by text, or by place and length; unnamed ones stay empty.

    Where a cell is a date or a number, the names and a row are on one line, and whatever is no
    column of the contract may be a cell of that row.
    """
    mixed = any(DATA.match(name) and not _YEAR.match(name) for name in names)
    return tuple(
        name
        if not name or name in contract.columns or (not mixed and looks_like_a_name(name))
        else f"column {at + 1} ({len(name):,} characters)"
        for at, name in enumerate(names)
    )


def looks_like_a_name(text: str) -> bool:
    """Tell whether a text may be a column's name, and is hardly a customer's id.

    Up to 64 letters, digits, blanks, underscores, dots and dashes, a letter or an underscore first;
    no word has more than one group of digits, and no group more than four. Of digits alone, it may
    be a year.
    """
    if _YEAR.match(text):
        return True
    return len(text) <= _LONGEST and not ID.search(text) and bool(_NAME.match(text))


def quoted(told: str) -> str:
    """Put a name in quotes; a place is none."""
    return f"'{told}'" if looks_like_a_name(told) else told
