"""The built-in layers: what a table does when it does not say."""

from __future__ import annotations

BRONZE, SILVER, GOLD = "bronze", "silver", "gold"
LAYERS = (BRONZE, SILVER, GOLD)

_STRATEGY = {BRONZE: "append", SILVER: "merge", GOLD: "replace"}


def layer_of(table: str) -> str:
    """Return the layer of ``layer.name``."""
    return table.partition(".")[0]


def default_strategy(table: str, *, is_ingest: bool) -> str | None:
    """Return the write strategy of a table that names none; ``None`` where its layer does not tell.

    >>> default_strategy("silver.flights", is_ingest=False), default_strategy("raw.flights", is_ingest=True)
    ('merge', 'append')
    """
    return _STRATEGY.get(layer_of(table).lower(), "append" if is_ingest else None)


def quarantine_table(table: str, named: str | None) -> str:
    """Return the full name of the table that keeps the rejected rows of ``table``."""
    if named is None:
        return f"{table}__quarantine"
    return named if "." in named else f"{layer_of(table)}.{named}"
