"""The options of a write: which go together, and which columns an update sets."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, List, Optional, Sequence

from airflow_lake_provider.jobs.errors import WriteOptionsError
from airflow_lake_provider.jobs.tables import ROW_LEVEL_MODES, ROW_LEVEL_PROPERTIES
from airflow_lake_provider.protocol import METADATA_COLUMNS, IngestStep, TableRequest, WriteStep

_OF_A_MERGE = (
    "update_columns",
    "exclude_columns",
    "delete_when",
    "when_matched",
    "when_not_matched",
    "when_not_matched_by_source",
    "soft_delete",
)
_CHOICES = {
    "mode": ("auto", *ROW_LEVEL_MODES),
    "when_matched": ("update", "keep"),
    "when_not_matched": ("insert", "ignore"),
    "when_not_matched_by_source": ("keep", "delete", "soft_delete"),
}


def sequence_of(step: WriteStep, columns: Sequence[str]) -> Optional[str]:
    """Return the column that says which row is newer: the one named, else ``_ingested_at`` when the batch has it."""
    if step.sequence_by is not None:
        return step.sequence_by
    return "_ingested_at" if step.strategy == "merge" and "_ingested_at" in columns else None


def check_options(request: TableRequest, step: WriteStep) -> None:
    """See that the options of a write go together, before anything is read.

    :raises WriteOptionsError: they do not; the message names the first that does not fit, and what to do.
    """
    for wrong in (_unknown(step), _out_of_place(request, step), _contradiction(step), _endangered(request, step)):
        if wrong is not None:
            raise WriteOptionsError(f"{request.table}: {wrong}")


def check_columns(step: WriteStep, columns: Sequence[str], *, table: str) -> None:
    """See that ``update_columns`` and ``exclude_columns`` name columns of the table, and leave the sequence its place.

    :raises WriteOptionsError: they do not.
    """
    there = {name.lower() for name in columns}
    for option, names in (("update_columns", step.update_columns), ("exclude_columns", step.exclude_columns)):
        for name in names:
            if name.lower() not in there:
                have = ", ".join(columns)
                raise WriteOptionsError(f"{table}: {option} names {name}, which is no column; there are: {have}")
    sequence = sequence_of(step, columns)
    if sequence is not None and sequence.lower() in _lower(step.exclude_columns):
        raise WriteOptionsError(
            f"{table}: exclude_columns names {sequence}, by which rows are ordered: it moves along with every update, "
            "else an older row could overwrite a newer one. Take it out, or name another column in sequence_by."
        )


def updated_columns(step: WriteStep, columns: Sequence[str]) -> List[str]:
    """Return what an update of a matched row sets, in the table's order; never the key.

    The sequence, the metadata columns and the soft-delete column move along with an update of some columns. Of a row
    that is kept only the soft-delete column changes: it is there again.
    """
    named, excluded = _lower(step.update_columns), _lower([*step.unique_key, *step.exclude_columns])
    always = _lower([name for name in (step.soft_delete,) if name])
    if step.when_matched == "keep":
        return [name for name in columns if name.lower() in always]
    if named:
        sequence = sequence_of(step, columns)
        always |= {*METADATA_COLUMNS, *_lower([sequence] if sequence else [])}
        return [name for name in columns if name.lower() in named | always and name.lower() not in excluded]
    return [name for name in columns if name.lower() not in excluded]


def _lower(names: Sequence[str]) -> "set[str]":
    return {name.lower() for name in names}


def _unknown(step: WriteStep) -> Optional[str]:
    for option, choices in _CHOICES.items():
        value = getattr(step, option)
        if value not in choices:
            return f"{option} is '{value}'; expected one of {', '.join(choices)}"
    return None


def _out_of_place(request: TableRequest, step: WriteStep) -> Optional[str]:
    if step.strategy == "merge":
        return None if step.unique_key else "a merge needs unique_key, to know which row of the table a row means"
    given = [option for option in _OF_A_MERGE if getattr(step, option) != _default(option)]
    if given:
        return f"{', '.join(given)}: of a merge only, and the strategy is {step.strategy}"
    if step.strategy == "replace" and step.mode != "auto":
        return f"mode is {step.mode}, which says how rows are rewritten; a replace rewrites none, so leave mode out"
    return None


def _contradiction(step: WriteStep) -> Optional[str]:
    if step.update_columns and step.exclude_columns:
        return "update_columns and exclude_columns are both given; an update sets the one, or all but the other"
    option = "update_columns" if step.update_columns else "exclude_columns"
    names = _lower([*step.update_columns, *step.exclude_columns])
    if names and step.when_matched == "keep":
        return f"when_matched is keep, so no row is updated and {option} has no meaning; leave one of them out"
    for key in step.unique_key:
        if key.lower() in names:
            return f"{option} names {key}, which is part of unique_key and so the same in both rows; take it out"
    flag = step.soft_delete
    if (step.when_not_matched_by_source == "soft_delete") != bool(flag):
        return "when_not_matched_by_source: soft_delete and the column that it sets belong together; one is missing"
    if flag and flag.lower() in names | _lower([*step.unique_key, *([step.sequence_by] if step.sequence_by else [])]):
        return f"soft_delete sets {flag} by itself, so it is neither key nor sequence, nor updated, nor excluded"
    return None


def _endangered(request: TableRequest, step: WriteStep) -> Optional[str]:
    """Return what would lose rows that nobody meant to lose, or would quietly have no effect."""
    if step.when_not_matched_by_source != "keep" and any(isinstance(each, IngestStep) for each in request.steps):
        return (
            f"when_not_matched_by_source is {step.when_not_matched_by_source}, but a run reads only the new files: a "
            "key that they lack is not gone at the source. Ingest into a table of its own, and merge a query of it."
        )
    if request.full_refresh and step.when_not_matched == "ignore":
        return "a full refresh would leave the table empty, for when_not_matched is ignore: no key may be inserted"
    wanted = ROW_LEVEL_MODES.get(step.mode)
    for key in ROW_LEVEL_PROPERTIES if wanted else ():
        value = request.properties.get(key, wanted)
        if value != wanted:
            return f"mode is {step.mode} and the property {key} is {value}; leave one of them out"
    return None


def _default(option: str) -> Any:
    return next(f.default for f in fields(WriteStep) if f.name == option)
