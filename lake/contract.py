"""The data contract: columns, formats and rules of a drop, read from TOML."""

from __future__ import annotations

import hashlib
import re
import tomllib
from enum import StrEnum
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, available_timezones

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationError,
    field_validator,
    model_validator,
)

from lake.errors import ContractError

_NAME = r"^[a-z][a-z0-9_]*$"
_OURS = {
    *("row_no", "raw", "problem", "reasons", "warnings", "refusals", "unreadable", "rescued"),
    *("last_order_at", "drop_id", "path", "drop_time", "drop_day", "present"),
}
"""What the decoder puts beside the columns of a contract."""
_OF_V0_1 = re.compile(r"\{(?:text|number|is_number|column|maximum)(?::\w+)?\}")

type_name = Literal["id", "text", "count", "money", "date", "list", "check"]


class Action(StrEnum):
    """What becomes of a row for which a rule is true."""

    WARN = "warn"
    QUARANTINE = "quarantine"
    REFUSE = "refuse"


class Unreadable(StrEnum):
    """What becomes of a row with a cell that is not of its column's type."""

    MISSING = "missing"
    QUARANTINE = "quarantine"
    REFUSE = "refuse"


FAILURES = {
    "not_a_number": "the cell is not a number in this column's notation",
    "negative": "the number is below zero",
    "fractional": "a count must be a whole number",
    "too_many_decimals": "money has at most two decimals",
    "out_of_range": "the number is too large",
    "not_a_date": "the cell is not a date in a known format",
}
"""Why a cell is not of its column's type, each as a sentence for the supplier."""

PROBLEMS = {
    "wrong_field_count": "the row has more or fewer fields than the header",
    "unclosed_quote": "a quoted field has no end",
    "undecodable_text": "the row is not in the file's encoding",
    "record_too_long": "the row is longer than the settings allow",
}
"""Why a row cannot be read at all: its fields are not known, or not all of their characters."""

OnUnreadable = Annotated[Unreadable, Field(strict=False)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Column(_Model):
    """One column of a drop.

    Attributes:
        type: how its text is read.
        required: whether a drop without it is refused.
        aliases: other names that a header may give it.
    """

    type: type_name
    required: bool = False
    aliases: tuple[str, ...] = ()

    @field_validator("aliases", mode="before")
    @classmethod
    def _tuple(cls, value: object) -> object:
        return tuple(value) if isinstance(value, list) else value


class Rule(_Model):
    """A named SQL predicate over one row, and what follows where it is true.

    Attributes:
        name: the reason that quarantine and warnings show.
        when: the predicate, over the typed columns; ``{value}`` stands for each column that
            ``types`` or ``columns`` choose.
        then: ``warn``, ``quarantine`` or ``refuse``.
        says: the reason as a sentence for the supplier.
    """

    name: str = Field(pattern=_NAME)
    when: str = Field(min_length=1)
    then: Action = Field(strict=False)
    says: str = ""
    types: tuple[type_name, ...] = ()
    columns: tuple[str, ...] = ()

    @field_validator("when")
    @classmethod
    def _of_now(cls, value: str) -> str:
        if found := _OF_V0_1.search(value):
            raise ValueError(
                f"{found[0]} is of v0.1.0: cells are typed before rules are asked, see CHANGELOG.md"
            )
        return value

    @field_validator("types", "columns", mode="before")
    @classmethod
    def _tuple(cls, value: object) -> object:
        return tuple(value) if isinstance(value, list) else value


class Supplier(_Model):
    """What is known of the drops of one supplier, which cannot be seen in each of them.

    Attributes:
        files: a pattern of their names, such as ``crm_*.csv``.
        thousands: whether the mark in numbers such as ``1.234``, where all marked cells of a
            column look so, is a thousands mark.
    """

    files: str = Field(min_length=1)
    thousands: Literal["never", "always"]


class Contract(_Model):
    """What a drop must look like; see ``conf/contracts/flo.toml`` for each key's meaning."""

    name: str
    sequence_by: Literal["last_order_at", "last_order_date", "first_order_date"] = "last_order_at"
    business_timezone: str = "Europe/Istanbul"
    date_orders: tuple[Literal["dmy", "mdy"], ...] = ("dmy",)
    max_bad_share: float = Field(0.5, ge=0, le=1)
    missing: tuple[str, ...] = ()
    unreadable: dict[Literal["count", "money", "date"], OnUnreadable] = {}
    suppliers: tuple[Supplier, ...] = ()
    columns: dict[Annotated[str, Field(pattern=_NAME)], Column]
    rules: tuple[Rule, ...] = ()
    _text: str = PrivateAttr("")

    @field_validator("date_orders", "missing", "suppliers", "rules", mode="before")
    @classmethod
    def _tuple(cls, value: object) -> object:
        return tuple(value) if isinstance(value, list) else value

    @field_validator("date_orders")
    @classmethod
    def _some_date_order(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value or len(set(value)) != len(value):
            raise ValueError("name each accepted date order once, the preferred one first")
        return value

    @field_validator("business_timezone")
    @classmethod
    def _known_timezone(cls, value: str) -> str:
        if value not in available_timezones():
            raise ValueError("name a zone of the time-zone database, such as Europe/Istanbul")
        return value

    @model_validator(mode="after")
    def _names_are_consistent(self) -> Contract:
        seen: dict[str, str] = {}
        if ours := sorted(_OURS & set(self.columns)):
            raise ValueError(f"'{ours[0]}' is a column of ours; name the supplier's otherwise")
        for name, column in self.columns.items():
            for header in (name, *column.aliases):
                other = seen.setdefault(normalise_header(header), name)
                if other != name:
                    raise ValueError(f"'{header}' names both {other} and {name}; keep one")
        for rule in self.rules:
            for column_name in rule.columns:
                if column_name not in self.columns:
                    raise ValueError(f"rule '{rule.name}' names an unknown column '{column_name}'")
        return self

    def __hash__(self) -> int:
        """Let what is derived from a contract be kept for it."""
        return hash((self.name, self.sequence_by, tuple(self.columns), self.rules, self.digest))

    @property
    def text(self) -> str:
        """The file that it was read from, with plain line ends and no blanks before them."""
        return self._text

    @cached_property
    def digest(self) -> str:
        """SHA-256 of :attr:`text`, in hexadecimal: which contract a drop was judged by."""
        return hashlib.sha256(self._text.encode()).hexdigest()

    @cached_property
    def headers(self) -> dict[str, str]:
        """Map each normalised header name to its column's name."""
        return {
            normalise_header(header): name
            for name, column in self.columns.items()
            for header in (name, *column.aliases)
        }

    @cached_property
    def required(self) -> tuple[str, ...]:
        """Names of the columns that a drop must have, in the contract's order."""
        return tuple(name for name, column in self.columns.items() if column.required)

    @cached_property
    def optional(self) -> tuple[str, ...]:
        """Names of the kept columns that a drop may lack, in the contract's order."""
        return tuple(
            name
            for name, column in self.columns.items()
            if not column.required and column.type != "check"
        )

    @cached_property
    def order_rule(self) -> str:
        """Tell all that decides which of a customer's snapshots gives which column."""
        return f"{self.sequence_by}; optional: {', '.join(sorted(self.optional))}"

    def unreadable_cell(self, column: str) -> Unreadable:
        """Tell what becomes of a row whose cell in this column is not of its type.

        A column that is only read for a rule is missing then.
        """
        kind = self.columns[column].type
        if kind in ("count", "money", "date"):
            return self.unreadable.get(kind, Unreadable.QUARANTINE)
        return Unreadable.MISSING

    def thousands(self, file_name: str) -> str | None:
        """Tell what the contract says of thousands marks in a file of this name."""
        return next(
            (each.thousands for each in self.suppliers if fnmatchcase(file_name, each.files)), None
        )

    def says(self, reason: str) -> str:
        """Say what a reason means, as a sentence; empty where the contract does not know it."""
        rule = next((each for each in self.rules if each.name == reason), None)
        return rule.says if rule else (FAILURES | PROBLEMS).get(reason, "")

    def line_of(self, rule: Rule) -> int | None:
        """Tell on which line of the contract's text a rule's predicate stands."""
        return _line_of(self._text, ("rules", self.rules.index(rule), "when"))

    def of_type(self, *types: str) -> tuple[str, ...]:
        """List the columns of these types, in the contract's order."""
        return tuple(name for name, column in self.columns.items() if column.type in types)

    @cached_property
    def zone(self) -> ZoneInfo:
        """The time zone of the business day."""
        return ZoneInfo(self.business_timezone)


def normalise_header(text: str) -> str:
    """Fold a header cell: outer blanks, case, and blanks or hyphens between words."""
    return re.sub(r"[\s\-]+", "_", text.strip().lower())


def load_contract(path: Path) -> Contract:
    """Read a contract.

    Raises:
        ContractError: the file is missing, or see :func:`parse_contract`.
    """
    try:
        return parse_contract(path.read_bytes(), path)
    except OSError as error:
        raise ContractError(
            f"The contract {path} cannot be read ({error.strerror}); "
            "name another with the setting 'contract'."
        ) from None


def parse_contract(content: bytes, path: Path) -> Contract:
    """Read a contract from the content of its file.

    Raises:
        ContractError: it is no TOML, or has an unknown key, a wrong type or an inconsistent name.
            The message names the file, the line and what to change.
    """
    try:
        text = content.decode("utf-8")
        contract = Contract.model_validate(tomllib.loads(text))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ContractError(f"The contract {path} is not valid TOML: {error}.") from None
    except ValidationError as error:
        raise ContractError(_explain(path, text, error)) from None
    contract._text = "".join(f"{line.rstrip()}\n" for line in text.splitlines())
    return contract


def _explain(path: Path, text: str, error: ValidationError) -> str:
    first = error.errors()[0]
    loc = first["loc"]
    line = _line_of(text, loc)
    key = ".".join(str(part + 1) if isinstance(part, int) else part for part in loc)
    where = f"The contract {path}, line {line}" if line else f"The contract {path}"
    if first["type"] == "extra_forbidden":
        return f"{where}: unknown key '{key}'; remove it or correct its spelling."
    if first["type"] == "missing":
        return f"{where}: the key '{key}' is missing; add it."
    message = first["msg"].removeprefix("Value error, ")
    return f"{where}: '{key}' is wrong: {message}." if key else f"{where}: {message}."


def _line_of(text: str, loc: tuple[int | str, ...]) -> int | None:
    """Find the line of a key: walk its path through tables and ``[[arrays]]`` in order."""
    lines = text.splitlines()
    start = 0
    for position, part in enumerate(loc):
        if isinstance(part, int):
            if position == 1:  # the n-th [[rules]]; an index deeper in is on the key's own line
                start = _nth(lines, rf"\[\[\s*{re.escape(str(loc[0]))}\s*\]\]", part, start)
            continue
        parents = ".".join(str(each) for each in loc[:position] if isinstance(each, str))
        full = rf"{re.escape(parents)}\." if parents else ""
        pattern = rf"(\[+\s*{full}\"?{re.escape(part)}\"?\s*[\].]|\"?{re.escape(part)}\"?\s*[=.])"
        start = next(
            (i for i in range(start, len(lines)) if re.match(pattern, lines[i].strip())), start
        )
    return start + 1 if loc else None


def _nth(lines: list[str], pattern: str, index: int, start: int) -> int:
    found = [i for i in range(len(lines)) if re.match(pattern, lines[i].strip())]
    return found[index] if index < len(found) else start
