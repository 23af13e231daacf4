"""The order rule: which snapshot gives a customer which value.

A customer's row is the snapshot with the greatest ``(sequence_by, drop_time, drop_id, row_no)``,
its *place*; a column that a snapshot's drop lacked comes from the greatest one whose drop had it.

So a snapshot is seen as *values with their places*: ``winner``, a struct of its place and of the
columns that every drop has, and for each column that a drop may lack a struct of place and
``value``, NULL where the drop lacked it. Spark compares structs field by field, from the first on:
of several snapshots the greatest of each counts, whatever their order. So does the greater one of
what a customer's row was made of and what a drop says now.
"""

from __future__ import annotations

from pyspark.sql import DataFrame

from lake.contract import Contract
from lake.statements import ask
from lake.tables import VALUE_PLACES
from streaming.features import BUSINESS, IDENTITY, SOURCE, filled, split_columns


def fold_snapshots(
    snapshots: DataFrame, contract: Contract, *keys: str, unique: bool = False
) -> DataFrame:
    """Apply the order rule to snapshots, from nothing.

    Args:
        snapshots: rows of ``customer_snapshots``.
        contract: ``sequence_by`` and which columns a drop may lack.
        keys: beside ``master_id``, what the snapshots of a row have in common.
        unique: no two snapshots have all keys in common, so none has to be moved to another.

    Returns:
        A row for each customer (and key): the keys, the values with their places, and how many
        ``rows`` it is made of. See :func:`unpack` for the customer's columns.
    """
    always, optional = split_columns(contract)
    key = ", ".join(("master_id", *keys))
    winner = ", ".join(f"{filled(name)} AS {name}" for name in always)
    place = f"{_place(contract)} AS place"
    given = "".join(
        f", CASE WHEN {_is_given(name)} THEN struct({place}, {filled(name)} AS value) END"
        f" AS _{name}"
        for name in optional
    )
    greatest = ", ".join(f"max({name}) AS {name}" for name in values_with_places(contract))
    seen = f"""
        SELECT {key}, struct({place}, {winner}) AS winner{given}{", 1L AS rows" if unique else ""}
        FROM {{snapshots}}
    """
    folded = f"SELECT {key}, {greatest}, count(*) AS rows FROM ({seen}) GROUP BY {key}"
    return ask(snapshots.sparkSession, seen if unique else folded, snapshots=snapshots)


def values_with_places(contract: Contract) -> list[str]:
    """Names of the columns of which a customer's greatest one counts."""
    return ["winner", *[f"_{name}" for name in split_columns(contract)[1]]]


def see_stored(stored: DataFrame, contract: Contract, *further: str) -> DataFrame:
    """See rows of ``customer_features`` as the values with their places that they were made of.

    Returns:
        ``master_id``, the values with their places, and the ``further`` columns.
    """
    always, optional = split_columns(contract)
    given = "IF(platform_type_derived, NULL, platform_type)"
    told = {name: given if name == "platform_type" else name for name in BUSINESS}
    winner = ", ".join(f"{told[name]} AS {name}" for name in always)
    place = _place(contract)
    others = "".join(
        f", CASE WHEN {own} IS NOT NULL THEN struct({own} AS place, {told[name]} AS value) END"
        f" AS _{name}"
        for name in optional
        for own in [_stored_place(name, place)]
    )
    return ask(
        stored.sparkSession,
        f"""
        SELECT {", ".join(("master_id", *further))},
            struct({place} AS place, {winner}) AS winner{others}
        FROM {{stored}}
        """,
        stored=stored,
    )


def unpack(contract: Contract, prefix: str = "") -> dict[str, str]:
    """A customer's columns, as SQL over the values with their places.

    Args:
        contract: which columns a drop may lack.
        prefix: of the names of these.
    """
    always, optional = split_columns(contract)
    winner = f"{prefix}winner"
    return {
        **{name: f"{winner}.{name}" for name in always},
        **{name: filled(name, f"{prefix}_{name}.value") for name in optional},
        **{name: f"{winner}.place.{name}" for name in IDENTITY},
        "value_places": _value_places(optional, prefix),
    }


def find_steps(
    candidates: DataFrame, stored: DataFrame, contract: Contract, *, one_each: bool
) -> DataFrame:
    """Apply each drop's candidates one by one, in ``(drop_time, drop_id)`` order, to the features.

    Args:
        candidates: at most one per customer and drop: :func:`fold_snapshots` by ``drop_id``.
        stored: these customers' rows by :func:`see_stored`, with ``old``.
        contract: the order rule.
        one_each: no customer has more than one candidate. The result is the same without, but
            then a customer's candidates have to be put in order.

    Returns:
        One row per candidate: ``master_id``, ``drop_id``, ``rows`` (that it is made of),
        ``outcome`` (``inserted``, ``updated``, ``unchanged`` or ``stale``), ``state`` (the
        customer's columns after this drop), ``touched`` (this or an earlier step changed a value),
        ``writes`` (it is the customer's last step, and a value or where one comes from is another
        than stored), and ``old``.
    """
    in_order = "" if one_each else _IN_ORDER
    stored_values = ", ".join(f"s.{name} AS stored_{name}" for name in values_with_places(contract))
    return ask(
        candidates.sparkSession,
        f"""
        WITH beside AS (
            SELECT c.*, c.winner.place AS place, s.old, {stored_values}
            FROM {{candidates}} AS c LEFT JOIN {{stored}} AS s ON s.master_id = c.master_id
        ), compared AS (
            SELECT master_id, drop_id, rows, old, place,
                {"true" if one_each else "lead(drop_id) OVER in_order IS NULL"} AS is_last,
                {_compare(contract, one_each=one_each)}
            FROM beside {in_order}
        ), states AS (
            SELECT master_id, drop_id, rows, old, place, is_last,
                before_winner.place AS best_before,
                {_state(contract, "after")} AS state,
                {_state(contract, "before")} AS before,
                {_state(contract, "stored")} AS stored
            FROM compared
        )
        SELECT master_id, drop_id, rows, old, state,
            {_outcome()} AS outcome,
            {_CHANGES if one_each else f"max({_CHANGES}) OVER so_far"} AS touched,
            is_last AND NOT (state <=> stored) AS writes
        FROM states {in_order}
        """,
        candidates=candidates,
        stored=stored,
    )


_CHANGES = "(best_before IS NULL OR NOT (state.business <=> before.business))"
_IN_ORDER = """
    WINDOW in_order AS (PARTITION BY master_id ORDER BY place.drop_time, drop_id),
        so_far AS (PARTITION BY master_id ORDER BY place.drop_time, drop_id
            ROWS UNBOUNDED PRECEDING),
        earlier AS (PARTITION BY master_id ORDER BY place.drop_time, drop_id
            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
"""


def _compare(contract: Contract, *, one_each: bool) -> str:
    """SQL: of each candidate the greatest values stored, before it, and after it."""
    columns = []
    for name in values_with_places(contract):
        stored = f"stored_{name}"
        so_far = name if one_each else f"max({name}) OVER so_far"
        before = stored if one_each else f"greatest(max({name}) OVER earlier, {stored})"
        columns += [
            stored,
            f"{before} AS before_{name}",
            f"greatest({so_far}, {stored}) AS after_{name}",
        ]
    return ", ".join(columns)


def _state(contract: Contract, when: str) -> str:
    """SQL: a customer's ``business`` columns, and the ``source`` of them."""
    columns = unpack(contract, f"{when}_")
    business = ", ".join(f"{columns[name]} AS {name}" for name in BUSINESS)
    source = ", ".join(f"{columns[name]} AS {name}" for name in SOURCE)
    return f"struct(struct({business}) AS business, struct({source}) AS source)"


def _place(contract: Contract) -> str:
    leading = f"CAST({contract.sequence_by} AS TIMESTAMP) AS leading"
    return f"struct({leading}, drop_time, drop_id, row_no)"


def _is_given(name: str) -> str:
    """SQL: whether the drop of a snapshot has a column."""
    return f"array_contains(present, '{name}')"


def _stored_place(name: str, place: str) -> str:
    """SQL: the place of the snapshot that gave a stored row a column; NULL where none did."""
    is_told = f"coalesce(array_contains(value_places.column, '{name}'), false)"
    nth = f"CAST(array_position(value_places.column, '{name}') AS INT) - 1"
    return f"IF({is_told}, get(value_places.place, {nth}), {place})"


def _outcome() -> str:
    """SQL: how a candidate counts."""
    return """
        CASE WHEN best_before IS NULL THEN 'inserted'
            WHEN place < best_before THEN 'stale'
            WHEN state.business <=> before.business THEN 'unchanged'
            ELSE 'updated' END
    """


def _value_places(optional: list[str], prefix: str) -> str:
    """SQL: name the optional columns that the winner did not give, each with the place that did."""
    if not optional:
        return f"CAST(NULL AS {VALUE_PLACES})"
    places = {name: f"{prefix}_{name}.place" for name in sorted(optional)}
    is_winners = {name: f"{place} <=> {prefix}winner.place" for name, place in places.items()}
    entries = ", ".join(
        f"CASE WHEN NOT ({is_winners[name]}) THEN struct('{name}' AS column, {place} AS place) END"
        for name, place in places.items()
    )
    # A filter would say the same, but Spark compiles no code for it, nor for what is in it.
    others = f"CAST(array_except(array({entries}), array(NULL)) AS {VALUE_PLACES})"
    return f"CASE WHEN NOT ({' AND '.join(is_winners.values())}) THEN {others} END"
